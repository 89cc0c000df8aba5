"""A homeserver that a test plays itself, for input that no real server would send.

It publishes its keys, signs requests, joins rooms, and answers questions about the events that it made. It checks and
judges nothing.
"""

import re
import ssl
import time
from collections.abc import Awaitable, Callable

import signedjson.key
import signedjson.sign
import unpaddedbase64
from aiohttp import web

from harness.authority import Authority
from harness.homeserver import Homeserver
from harness.names import FEDERATION_PORT, Place
from harness.signed import Answer, Signer, segment
import peer_events
from peer_room import PeerRoom

HTTPS_PORT = 443
KEY_VALIDITY_MS = 24 * 3600 * 1000
VERSIONS = [str(number) for number in range(1, 13)]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Peer(Signer):
    """A scripted server at `place`. `override` replaces its answers, `requests` lists what it was asked."""

    def __init__(self, place: Place, authority: Authority):
        super().__init__(place.server_name, signedjson.key.generate_signing_key("peer"), authority)
        self.place = place
        self.files = authority.issue(place)
        self.rooms: dict[str, PeerRoom] = {}
        self.events: dict[str, dict] = {}
        self.requests: list[tuple[str, str]] = []
        self.transactions: list[dict] = []
        self.overrides: list[tuple[re.Pattern, Handler]] = []
        self.runner: web.AppRunner | None = None
        self.transaction_number = int(time.time() * 1000)

    # The server.

    async def start(self) -> None:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self.runner.setup()
        await self.listen(FEDERATION_PORT)

    async def listen(self, port: int) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*map(str, self.files))
        await web.TCPSite(self.runner, self.place.public_address, port, ssl_context=tls).start()

    async def serve_well_known(self, handler: Handler) -> None:
        """Lets `handler` answer where the specification looks for a server's delegation first."""
        self.override("^/.well-known/matrix/server$", handler)
        await self.listen(HTTPS_PORT)

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    def override(self, pattern: str, handler: Handler) -> None:
        """Lets `handler` answer the requests whose path matches the pattern."""
        self.overrides.insert(0, (re.compile(pattern), handler))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        for pattern, handler in self.overrides:
            if pattern.search(request.path):
                return await handler(request)
        if request.path.startswith("/_matrix/key/v2/server"):
            return web.json_response(self.keys())
        call = request.path.removeprefix("/_matrix/federation/v1/").removeprefix("/_matrix/federation/v2/")
        kind, _, rest = call.partition("/")
        answer = getattr(self, f"answer_{kind}", None)
        if answer is None:
            return web.json_response({"errcode": "M_UNRECOGNIZED", "error": "unknown path"}, status=404)
        return await answer(request, rest)

    def keys(self) -> dict:
        verify_key = signedjson.key.get_verify_key(self.key)
        encoded = unpaddedbase64.encode_base64(bytes(verify_key))
        keys = {
            "server_name": self.name,
            "valid_until_ts": int(time.time() * 1000) + KEY_VALIDITY_MS,
            "verify_keys": {f"{verify_key.alg}:{verify_key.version}": {"key": encoded}},
            "old_verify_keys": {},
        }
        return signedjson.sign.sign_json(keys, self.name, self.key)

    async def answer_version(self, request, rest):
        return web.json_response({"server": {"name": "Interop peer", "version": "1"}})

    async def answer_send(self, request, rest):
        transaction = await request.json()
        self.transactions.append(transaction)
        for event in transaction.get("pdus", []):
            if room := self.rooms.get(event.get("room_id")):
                room.take(event)
        return web.json_response({"pdus": {}})

    async def answer_event(self, request, rest):
        event = self.events.get(rest)
        if event is None:
            return not_found()
        return web.json_response({"origin": self.name, "origin_server_ts": 0, "pdus": [event]})

    async def answer_get_missing_events(self, request, rest):
        room, body = self.rooms.get(rest), await request.json()
        if room is None:
            return not_found()
        return web.json_response({"events": room.between(body["earliest_events"], body["latest_events"])})

    async def answer_state_ids(self, request, rest):
        room = self.rooms.get(rest)
        if room is None:
            return not_found()
        state, chain = room.state_before(request.query["event_id"])
        return web.json_response({"pdu_ids": state, "auth_chain_ids": chain})

    async def answer_state(self, request, rest):
        room = self.rooms.get(rest)
        if room is None:
            return not_found()
        state, chain = room.state_before(request.query["event_id"])
        events = {"pdus": [room.events[i] for i in state], "auth_chain": [room.events[i] for i in chain]}
        return web.json_response(events)

    async def answer_event_auth(self, request, rest):
        room = self.rooms.get(rest.partition("/")[0])
        if room is None:
            return not_found()
        chain = room.auth_chain([rest.partition("/")[2]])
        return web.json_response({"auth_chain": [room.events[i] for i in chain]})

    async def answer_backfill(self, request, rest):
        return web.json_response({"origin": self.name, "origin_server_ts": 0, "pdus": []})

    # What it asks of others.

    def user(self, localpart: str) -> str:
        return f"@{localpart}:{self.name}"

    async def make_join(self, server: Homeserver, room_id: str, user: str, versions=VERSIONS) -> Answer:
        path = f"/v1/make_join/{segment(room_id)}/{segment(user)}"
        return await self.request(server, "GET", path, ver=list(versions))

    async def forward_extremities(self, server: Homeserver, room_id: str) -> list[str]:
        """Returns the server's forward extremities of a public room, as a template for a join shows them."""
        answer = await self.make_join(server, room_id, self.user("witness"))
        assert answer.status == 200, answer.text
        return peer_events.referred(answer.body["event"], "prev_events")

    async def join(self, server: Homeserver, room_id: str, user: str) -> PeerRoom:
        """Joins a room through `server` and returns it."""
        template = await self.make_join(server, room_id, user)
        assert template.status == 200, template.text
        room = PeerRoom(self, room_id, template.body["room_version"], user)
        event_id, event = room.sign_template(template.body["event"])
        path = f"/v2/send_join/{segment(room_id)}/{segment(event_id)}"
        answer = await self.request(server, "PUT", path, event)
        assert answer.status == 200, answer.text
        room.take_join(answer.body, event)
        self.rooms[room_id] = room
        return room

    async def send(self, server: Homeserver, pdus: list, edus: list | None = None, transaction: str = "") -> Answer:
        """Sends a transaction; `transaction` is its id, fresh if not given."""
        self.transaction_number += 1
        body = {"origin": self.name, "origin_server_ts": int(time.time() * 1000), "pdus": pdus, "edus": edus or []}
        return await self.request(server, "PUT", f"/v1/send/{transaction or self.transaction_number}", body)


def not_found() -> web.Response:
    return web.json_response({"errcode": "M_NOT_FOUND", "error": "not found"}, status=404)
