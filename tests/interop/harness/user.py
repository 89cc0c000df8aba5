"""A user of a homeserver, seen through matrix-nio, and through plain HTTP for what matrix-nio lacks."""

import itertools
import json
from urllib.parse import quote

import aiohttp
import nio

from harness.view import RoomView, View
from harness.waiting import LIMIT, eventually

PASSWORD = "correct horse battery staple"
SYNC_WAIT_MS = 5_000
SYNC_FILTER = {"room": {"timeline": {"limit": 100}}}
PAGE = 100

transaction_ids = itertools.count(1)


class MatrixError(Exception):
    """An error answer of a homeserver."""

    def __init__(self, status: int, code: str | None, message: str):
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class User:
    """A registered user with one logged-in device.

    What the user has seen through /sync collects in `view`; `see` waits for more of it.
    """

    def __init__(self, url: str, server: str, localpart: str, store: str = "", encrypted: bool = False):
        self.server = server
        self.localpart = localpart
        self.id = f"@{localpart}:{server}"
        # A server that is down or slow must fail the test instead of being tried for ever.
        config = nio.AsyncClientConfig(
            encryption_enabled=encrypted, max_limit_exceeded=0, max_timeouts=0, request_timeout=90
        )
        self.nio = nio.AsyncClient(url, self.id, store_path=store, config=config)
        self.view = View()

    async def register(self) -> None:
        answer = await self.nio.register(self.localpart, PASSWORD, device_name="interop")
        check(answer)
        assert answer.user_id == self.id

    async def close(self) -> None:
        await self.nio.close()

    async def request(self, method: str, path: str, body: dict | None = None, **query) -> dict:
        """Sends a request to a path below /_matrix and returns the answer's JSON."""
        url = f"{self.nio.homeserver}/_matrix{path}"
        headers = {"Authorization": f"Bearer {self.nio.access_token}"}
        parameters = [(key, str(item)) for key, value in query.items() for item in as_list(value)]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=90)) as session:
            async with session.request(method, url, json=body, headers=headers, params=parameters) as response:
                answer = await response.json()
                if response.status >= 400:
                    raise MatrixError(response.status, answer.get("errcode"), answer.get("error", ""))
                return answer

    # Rooms and membership.

    async def create_room(self, version: str, public: bool = True, **options) -> str:
        """Makes a room; `options` are those of `nio.AsyncClient.room_create`."""
        preset = nio.RoomPreset.public_chat if public else nio.RoomPreset.private_chat
        options.setdefault("preset", preset)
        return check(await self.nio.room_create(room_version=version, **options)).room_id

    async def join(self, room: str, via: str | None = None) -> str:
        """Joins a room by alias or id; `via` is a server that knows it."""
        if via is None:
            return check(await self.nio.join(room)).room_id
        # Both names of the parameter, as clients send while servers know only one of them.
        path = f"/client/v3/join/{quote(room, safe='')}"
        return (await self.request("POST", path, {}, via=via, server_name=via))["room_id"]

    async def knock(self, room: str, via: str) -> str:
        path = f"/client/v3/knock/{quote(room, safe='')}"
        return (await self.request("POST", path, {"reason": "please"}, via=via, server_name=via))["room_id"]

    async def invite(self, room: str, other: "User") -> None:
        check(await self.nio.room_invite(room, other.id))

    async def leave(self, room: str) -> None:
        check(await self.nio.room_leave(room))

    async def forget(self, room: str) -> None:
        check(await self.nio.room_forget(room))

    async def kick(self, room: str, other: "User", reason: str | None = None) -> None:
        check(await self.nio.room_kick(room, other.id, reason))

    async def ban(self, room: str, other: "User", reason: str | None = None) -> None:
        check(await self.nio.room_ban(room, other.id, reason))

    async def unban(self, room: str, other: "User") -> None:
        check(await self.nio.room_unban(room, other.id))

    # Events.

    async def send(self, room: str, body: str | dict, type: str = "m.room.message") -> str:
        """Sends a text, or any content, and returns the event's id."""
        content = {"msgtype": "m.text", "body": body} if isinstance(body, str) else body
        transaction = f"interop-{next(transaction_ids)}"
        return check(await self.nio.room_send(room, type, content, transaction)).event_id

    async def set_state(self, room: str, type: str, content: dict, state_key: str = "") -> str:
        return check(await self.nio.room_put_state(room, type, content, state_key)).event_id

    async def redact(self, room: str, event_id: str, reason: str = "interop") -> str:
        return check(await self.nio.room_redact(room, event_id, reason, f"interop-{next(transaction_ids)}")).event_id

    async def event(self, room: str, event_id: str) -> dict:
        return await self.request("GET", f"/client/v3/rooms/{quote(room, safe='')}/event/{quote(event_id, safe='')}")

    async def event_by_time(self, room: str, time: int, direction: str) -> dict:
        """Returns the id and the time of the event nearest to a time."""
        path = f"/client/v1/rooms/{quote(room, safe='')}/timestamp_to_event"
        return await self.request("GET", path, ts=time, dir=direction)

    async def state(self, room: str) -> dict[tuple[str, str], dict]:
        """Returns the room's current state: (type, state key) to event."""
        events = check(await self.nio.room_get_state(room)).events
        return {(event["type"], event["state_key"]): event for event in events}

    async def state_content(self, room: str, type: str, state_key: str = "") -> dict | None:
        """Returns the content of one piece of state, or `None` if there is none."""
        event = (await self.state(room)).get((type, state_key))
        return event and event["content"]

    async def history(self, room: str) -> list[dict]:
        """Returns all that /messages gives, oldest first."""
        events: list[dict] = []
        token: str | None = ""
        while token is not None:
            page = await self.page(room, token)
            events += page["chunk"]
            token = page.get("end")
        return events[::-1]

    async def page(self, room: str, token: str) -> dict:
        answer = await self.nio.room_messages(room, token, limit=PAGE)
        # matrix-nio fails on an answer without `end`, which is how the last page looks; the JSON itself is at hand.
        if answer.transport_response is not None and answer.transport_response.status == 200:
            return await answer.transport_response.json()
        check(answer)
        return {"chunk": []}

    # What /sync shows.

    async def sync(self, wait_ms: int = 0) -> dict:
        """Syncs once from where the last one ended, collects the answer in `view` and returns its JSON."""
        answer = check(await self.nio.sync(wait_ms, SYNC_FILTER))
        body = await answer.transport_response.json()
        for room, gap in self.view.take(body):
            await self.fill(room, gap)
        return body

    async def fill(self, room: RoomView, token: str) -> None:
        """Fetches what a limited timeline left out, back to what was known or to the room's start."""
        missed: list[dict] = []
        while token:
            page = await self.page(room.id, token)
            fresh = [event for event in page["chunk"] if event["event_id"] not in room.known]
            missed += fresh
            if len(fresh) < len(page["chunk"]):
                break
            token = page.get("end")
        room.insert_missed(missed[::-1])

    async def see(self, condition, what: str, limit: float = LIMIT):
        """Syncs until `condition(self.view)` is true and returns its answer."""
        if seen := condition(self.view):
            return seen

        async def look():
            await self.sync(SYNC_WAIT_MS if self.nio.next_batch else 0)
            return condition(self.view)

        return await eventually(look, f"{self.id} sees {what}", limit)

    async def see_event(self, room: str, event_id: str, limit: float = LIMIT) -> dict:
        """Waits until the event is in the room's timeline and returns it as it was synced."""
        return await self.see(lambda view: view.room(room).event(event_id), f"{event_id} in {room}", limit)

    async def see_membership(self, room: str, membership: str, limit: float = LIMIT) -> None:
        """Waits until /sync lists the room below `membership`."""
        await self.see(lambda view: view.room(room).membership == membership, f"{membership} of {room}", limit)


def check(answer):
    """Returns the answer, or raises what it reports."""
    if isinstance(answer, nio.ErrorResponse):
        status = answer.transport_response.status if answer.transport_response else 0
        raise MatrixError(status, answer.status_code, answer.message)
    return answer


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def show(content) -> str:
    """Returns JSON as one stable line, for messages."""
    return json.dumps(content, sort_keys=True)
