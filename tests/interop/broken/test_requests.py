"""Requests that are broken as such: no JSON, too large, unknown, badly signed."""

import asyncio
import json

import pytest
import signedjson.key

from harness.names import FEDERATION_PORT
from harness.signed import federation_uri, segment
from harness.user import MatrixError
from peer_room import PeerRoom

# The limit of a request's body is 200 times the largest event.
BODY_BYTES_MAX = 200 * 65_536
# And of what a client asks for, unless the endpoint takes more.
CLIENT_BODY_BYTES_MAX = 1024 * 1024
SEND = federation_uri("/v1/send/interop-broken")


async def test_not_json(server, peer):
    """A body that is no JSON is refused as such, over federation."""
    header = peer.authorization("PUT", SEND, server.name, {})
    answer = await peer.raw(server, "PUT", SEND, b"{no json", {"Authorization": header})
    assert (answer.status, answer.code) == (400, "M_NOT_JSON"), answer.text


async def test_client_sends_no_json(server):
    """A body that is no JSON is refused as such, from a client."""
    alice = await server.user("alice")
    answer = await post_raw(alice, "/client/v3/createRoom", b"{no json")
    assert answer == (400, "M_NOT_JSON")


async def test_client_leaves_a_field_out(server):
    """A client that leaves out a field that must be there hears which."""
    alice = await server.user("alice")
    room = await alice.create_room("12")
    with pytest.raises(MatrixError) as refused:
        await alice.request("POST", f"/client/v3/rooms/{room}/invite", {})
    assert (refused.value.status, refused.value.code) == (400, "M_MISSING_PARAM")
    assert "user_id" in str(refused.value)


@pytest.mark.parametrize(
    "body, field",
    [
        ({"origin_server_ts": 1}, "pdus"),
        ({"origin_server_ts": 1, "pdus": "none"}, "pdus"),
        ({"origin_server_ts": 1, "pdus": [], "edus": {}}, "edus"),
    ],
    ids=["no-pdus", "pdus-no-list", "edus-no-list"],
)
async def test_wrong_or_missing_field(server, peer, body, field):
    """A transaction with a field missing or of the wrong type is refused, and the field is named."""
    answer = await peer.request(server, "PUT", "/v1/send/interop-fields", {"origin": peer.name, **body})
    assert (answer.status, answer.code) == (400, "M_BAD_JSON"), answer.text
    assert field in answer.body["error"]


async def test_too_large(server, peer):
    """A body beyond the limit is refused without being read to its end."""
    status, code, sent = await send_endlessly(server, peer)
    assert (status, code) == (413, "M_TOO_LARGE")
    # What lies in buffers on the way counts as sent.
    assert sent < 4 * BODY_BYTES_MAX, "the server goes on reading"


async def test_announced_too_large(server, peer):
    """A body that is announced beyond the limit is refused before it is sent."""
    status, code, sent = await send_endlessly(server, peer, announced=1 << 40)
    assert (status, code) == (413, "M_TOO_LARGE")
    assert sent < 4 * BODY_BYTES_MAX


async def test_client_sends_too_much(server):
    """A client's body beyond the limit is refused too, and the connection of others is not harmed."""
    alice = await server.user("alice")
    answer = await post_raw(alice, "/client/v3/createRoom", b'{"name": "' + b"x" * CLIENT_BODY_BYTES_MAX + b'"}')
    assert answer == (413, "M_TOO_LARGE")
    await alice.create_room("12")


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/_matrix/federation/v1/nothing_here", 404),
        ("GET", "/_matrix/federation/v99/version", 404),
        ("POST", "/_matrix/federation/v1/version", 405),
        ("DELETE", SEND, 405),
    ],
)
async def test_unknown_path_or_method_over_federation(server, peer, method, path, status):
    """An unknown path is not found, a known one with another method is not allowed."""
    header = peer.authorization(method, path, server.name)
    answer = await peer.raw(server, method, path, None, {"Authorization": header})
    assert (answer.status, answer.code) == (status, "M_UNRECOGNIZED"), answer.text


@pytest.mark.parametrize(
    "method, path, status",
    [("GET", "/client/v3/nothing_here", 404), ("DELETE", "/client/v3/createRoom", 405)],
)
async def test_unknown_path_or_method_of_a_client(server, method, path, status):
    """A client gets the same answers."""
    alice = await server.user("alice")
    with pytest.raises(MatrixError) as refused:
        await alice.request(method, path)
    assert (refused.value.status, refused.value.code) == (status, "M_UNRECOGNIZED")


# What the answer to each of `authorizations` must say.
REASONS = {
    "none": "no Authorization header",
    "another scheme": "no Authorization header",
    "no signature": "has no sig",
    "malformed": "breaks the grammar",
    "twice the same": "has key twice",
    "wrong signature": "does not verify",
    "wrong destination": "is for another server",
    "another server's": "hs2.interop.test",
    "unknown key": "does not publish the key ed25519:unknown",
}


def authorizations(peer, server) -> dict[str, str | None]:
    """Returns headers that must not be believed, by what is wrong with them."""
    uri, other_key = federation_uri("/v1/query/profile", {"user_id": f"@a:{server.name}"}), "MDEyMzQ1Njc4OWFiY2RlZg"
    right = peer.authorization("GET", uri, server.name)
    return {
        "none": None,
        "another scheme": "Bearer syt_something",
        "no signature": right.partition(",sig=")[0],
        "malformed": "X-Matrix origin=,,destination",
        "twice the same": right + ',key="ed25519:other"',
        "wrong signature": right[: right.index('sig="') + 5] + other_key + '"',
        "wrong destination": peer.authorization("GET", uri, "elsewhere.interop.test"),
        "another server's": peer.authorization("GET", uri, server.name, origin="hs2.interop.test"),
        "unknown key": peer.authorization(
            "GET", uri, server.name, key=signedjson.key.generate_signing_key("unknown")
        ),
    }


async def test_x_matrix_refused(server, peer):
    """Requests that nobody known has signed for this server are refused, and each is told what is wrong."""
    uri = federation_uri("/v1/query/profile", {"user_id": f"@a:{server.name}"})
    for fault, header in authorizations(peer, server).items():
        answer = await peer.raw(server, "GET", uri, None, {"Authorization": header} if header else {})
        assert (answer.status, answer.code) == (401, "M_UNAUTHORIZED"), f"{fault}: {answer}"
        assert REASONS[fault] in answer.body["error"], f"{fault}: {answer.text}"
    rightly = peer.authorization("GET", uri, server.name)
    answer = await peer.raw(server, "GET", uri, None, {"Authorization": rightly})
    assert answer.code == "M_NOT_FOUND", answer.text


async def test_signature_covers_the_body(server, peer):
    """A body that is not the one that was signed is refused."""
    header = peer.authorization("PUT", SEND, server.name, {"pdus": [], "edus": []})
    body = json.dumps({"pdus": [], "edus": [], "origin": peer.name}).encode()
    answer = await peer.raw(server, "PUT", SEND, body, {"Authorization": header})
    assert (answer.status, answer.code) == (401, "M_UNAUTHORIZED"), answer.text


@pytest.mark.parametrize("versions", [[], ["1"]], ids=["no-ver", "another-ver"])
async def test_make_join_without_the_version(meet, version, versions):
    """A server that does not know the room's version hears which it is."""
    meeting = await meet(version)
    answer = await meeting.peer.make_join(meeting.server, meeting.room.id, meeting.peer.user("m2"), versions=versions)
    assert (answer.status, answer.code) == (400, "M_INCOMPATIBLE_ROOM_VERSION"), answer.text
    assert answer.body["room_version"] == version


async def test_make_join_of_an_unknown_room(server, peer):
    """A room that the server does not know is not found."""
    answer = await peer.make_join(server, f"!nothing:{server.name}", peer.user("mallory"))
    assert (answer.status, answer.code) == (404, "M_NOT_FOUND"), answer.text


@pytest.mark.parametrize("call", ["v2/send_join", "v2/send_leave", "v1/send_knock", "v2/invite"])
async def test_path_and_event_differ(meet, version, call):
    """An event goes into no room but its own: path and event must name the same room and event."""
    meeting = await meet(version)
    other = await meeting.alice.create_room(version)
    peer, room, server = meeting.peer, meeting.room, meeting.server
    if call == "v2/invite":
        event_id, event = room.build("m.room.member", {"membership": "invite"}, meeting.alice.id)
        body = {"room_version": version, "event": event, "invite_room_state": []}
    else:
        membership = call.removeprefix("v2/send_").removeprefix("v1/send_")
        event_id, event = room.build("m.room.member", {"membership": membership}, room.user)
        body = event
    wrong_id, _ = room.build("m.room.member", {"membership": "leave"}, room.user, origin_server_ts=1)
    for in_room, named in ((other, event_id), (room.id, wrong_id)):
        path = f"/{call}/{segment(in_room)}/{segment(named)}"
        answer = await peer.request(server, "PUT", path, body)
        assert (answer.status, answer.code) == (400, "M_INVALID_PARAM"), f"{path}: {answer.text}"
    assert ("m.room.member", room.user) not in await meeting.alice.state(other)


async def test_more_invites_than_anybody_needs(server, peer):
    """A server that invites the same user again and again is told to wait; what came before is there."""
    alice = await server.user("alice")
    configuration = server.folder / "althing.toml"
    unlimited = configuration.read_text()
    limited = 'enabled = true\ninvites_from_server_to_user = "3 at once, one per 10 min"'
    await server.stop()
    configuration.write_text(unlimited.replace("enabled = false", limited))
    await server.start()
    answers = {}
    for number in range(5):
        room = PeerRoom(peer, f"!flood{number}{alice.localpart}:{peer.name}", "11", peer.user("mallory"))
        event_id, event = room.build("m.room.member", {"membership": "invite"}, alice.id)
        body = {"room_version": "11", "event": event, "invite_room_state": []}
        answers[room.id] = await peer.request(server, "PUT", f"/v2/invite/{segment(room.id)}/{segment(event_id)}", body)
    await server.stop()
    configuration.write_text(unlimited)
    await server.start()
    assert [answer.status for answer in answers.values()] == [200, 200, 200, 429, 429]
    last = list(answers.values())[-1]
    assert last.code == "M_LIMIT_EXCEEDED" and 0 < last.body["retry_after_ms"] <= 600_000, last.text
    invites = (await alice.request("GET", "/client/v3/sync"))["rooms"]["invite"]
    assert set(invites) == {room for room, answer in answers.items() if answer.status == 200}


async def post_raw(user, path: str, body: bytes) -> tuple[int, str]:
    """Posts bytes as a client and returns the status and code of the answer."""
    response = await user.nio.send(
        "POST", f"/_matrix{path}", body, {"Authorization": f"Bearer {user.nio.access_token}"}
    )
    return response.status, (await response.json())["errcode"]


async def send_endlessly(server, peer, announced: int | None = None) -> tuple[int, str, int]:
    """Sends a body without end until the server answers; returns status, error code and the bytes that went out."""
    # Not through the link, which might drop the answer when the server closes upon it.
    reader, writer = await asyncio.open_connection(
        server.place.own_address, FEDERATION_PORT, ssl=peer.tls, server_hostname=server.place.host
    )
    length = "Transfer-Encoding: chunked" if announced is None else f"Content-Length: {announced}"
    header = peer.authorization("PUT", SEND, server.name, {})
    writer.write(
        f"PUT {SEND} HTTP/1.1\r\nHost: {server.name}\r\nContent-Type: application/json\r\n"
        f"Authorization: {header}\r\n{length}\r\n\r\n".encode()
    )
    answer, sent, chunk = asyncio.create_task(read_answer(reader)), 0, b" " * 65_536
    try:
        while not answer.done() and sent < 8 * BODY_BYTES_MAX:
            writer.write(chunk if announced is not None else b"10000\r\n" + chunk + b"\r\n")
            drained = asyncio.create_task(writer.drain())
            done, _ = await asyncio.wait({answer, drained}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
            assert done, f"the server neither reads on nor answers after {sent} bytes"
            sent += len(chunk)
            if announced is not None or sent > BODY_BYTES_MAX:
                # The answer is due. It is lost to us if the server closes before we have read it, so we look before we go on.
                await asyncio.wait({answer}, timeout=0.05)
    except OSError:
        # The server may close while we still write; its answer was sent before.
        pass
    status, code = await asyncio.wait_for(answer, 30)
    writer.transport.abort()
    return status, code, sent


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Reads an answer with its body at once: after a failed write, asyncio gives out nothing of what had come before."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    body = await reader.readuntil(b"}")
    return int(head.split()[1]), json.loads(body[body.index(b"{") :])["errcode"]
