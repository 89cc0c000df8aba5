"""Peers that never answer, answer slowly, with garbage, with somebody's error, or without end."""

import asyncio
import time
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web

from harness.rooms import shared_room
from harness.user import MatrixError
from harness.waiting import eventually

# Seconds after which a client must have an answer, whatever the peer does.
CLIENT_LIMIT = 75
# Bytes of a profile's answer that a server may reasonably read.
HUGE_BYTES = 256 * 1024 * 1024


async def never(request):
    await asyncio.Event().wait()


async def slowly(request):
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    # A byte a second: always something, never enough. The pause is the behaviour under test.
    while True:
        await response.write(b" ")
        await asyncio.sleep(1)


async def garbage(request):
    return web.Response(body=b"\xff\xfe<html>not json", content_type="application/json")


async def wrong_type(request):
    return web.json_response(["a", "list"])


async def foreign_error(request):
    return web.json_response({"errcode": "M_TEAPOT", "error": "short and stout"}, status=418)


class Huge:
    """Sends JSON without end and counts what is taken."""

    sent = 0

    async def __call__(self, request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with suppress(ConnectionError):
            await response.write(b'{"displayname": "')
            while self.sent < HUGE_BYTES:
                await response.write(b"x" * 65_536)
                self.sent += 65_536
                # Lets the loop notice that the other side has closed: a write into a buffer waits for nothing.
                await asyncio.sleep(0)
        return response


@pytest.mark.parametrize("how", [never, slowly, garbage, wrong_type, foreign_error], ids=lambda how: how.__name__)
@pytest.mark.parametrize("call", ["profile", "alias", "join"])
async def test_client_gets_an_error_of_ours(server, peer, how, call):
    """Whatever the peer does, the client hears in time that the other server failed, in our words."""
    peer.override("/_matrix/federation/", how)
    alice = await server.user("alice")
    requests = {
        "profile": ("GET", f"/client/v3/profile/{peer.user('x')}", None),
        "alias": ("GET", f"/client/v3/directory/room/%23x:{peer.name}", None),
        "join": ("POST", f"/client/v3/join/!x:{peer.name}", {}),
    }
    method, path, body = requests[call]
    via = {"via": peer.name, "server_name": peer.name} if call == "join" else {}
    begun = time.monotonic()
    with pytest.raises(MatrixError) as failed:
        await alice.request(method, path, body, **via)
    assert time.monotonic() - begun < CLIENT_LIMIT
    assert failed.value.code and failed.value.code != "M_TEAPOT", failed.value
    assert failed.value.status in (404, 500, 502, 503, 504), failed.value


async def test_huge_answer_is_cut_off(server, peer):
    """An answer without end is not read to its end."""
    huge = Huge()
    peer.override("/_matrix/federation/", huge)
    alice = await server.user("alice")
    with pytest.raises(MatrixError):
        await alice.request("GET", f"/client/v3/profile/{peer.user('x')}")
    assert huge.sent < HUGE_BYTES


async def test_huge_key_answer_is_cut_off(server, peer):
    """Neither is one in the place of a server's keys, which a stranger can make us ask for."""
    huge = Huge()
    peer.override("/_matrix/key/", huge)
    with suppress(asyncio.TimeoutError, aiohttp.ClientError):
        answer = await peer.request(server, "GET", "/v1/query/profile", user_id=f"@a:{server.name}")
        assert answer.status >= 400, answer.text
    assert huge.sent < HUGE_BYTES


@pytest.mark.parametrize("how", [never, slowly, garbage], ids=lambda how: how.__name__)
async def test_other_destinations_go_on(pair, server, peer, how):
    """While one server of the room takes nothing, the other gets everything."""
    alice, bob, room_id = await shared_room(server, pair.right, "12")
    await peer.join(server, room_id, peer.user("mallory"))
    peer.override("/_matrix/federation/v1/send/", how)
    sent = [await alice.send(room_id, f"to whom it concerns {n}") for n in range(20)]
    for event_id in sent:
        await bob.see_event(room_id, event_id, limit=20)


async def test_peer_that_comes_back_gets_everything(server, peer, meet):
    """A peer that refused transactions for a while gets what it missed, in order, once it takes them again."""
    meeting = await meet("12")
    down = True

    async def refuse_or_take(request):
        if down:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "down"}, status=503)
        return await peer.answer_send(request, "")

    peer.override("/_matrix/federation/v1/send/", refuse_or_take)
    sent = [await meeting.alice.send(meeting.room.id, f"missed {n}") for n in range(10)]
    down = False
    # A request of ours tells the server that we are back.
    await meeting.still_works()

    def all_came():
        return [event_id for event_id in meeting.room.events if event_id in set(sent)] == sent

    await eventually(all_came, "everything, in order", 120)


async def test_event_that_a_peer_breaks_over(server, peer, meet):
    """An event that a peer answers with an error of its own holds up nothing that comes after it."""
    meeting = await meet("12")

    async def break_over_poison(request):
        if "poison" in await request.text():
            return web.json_response({"errcode": "M_UNKNOWN", "error": "Internal server error"}, status=500)
        return await peer.answer_send(request, "")

    peer.override("/_matrix/federation/v1/send/", break_over_poison)
    poison = await meeting.alice.send(meeting.room.id, "poison")
    after = [await meeting.alice.send(meeting.room.id, f"after {n}") for n in range(3)]
    await eventually(lambda: all(event_id in meeting.room.events for event_id in after), "what came after", 180)
    assert poison not in meeting.room.events


async def test_repeated_transaction(meet):
    """The same transaction again, also at the same moment, has the same answer and no further effect."""
    meeting = await meet("12")
    event_id, event = meeting.room.extend("m.room.message", {"msgtype": "m.text", "body": "once"})
    answers = await asyncio.gather(
        *(meeting.peer.send(meeting.server, [event], transaction="interop-twice") for _ in range(5))
    )
    answers.append(await meeting.peer.send(meeting.server, [event], transaction="interop-twice"))
    assert {(answer.status, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert answers[0].body["pdus"] == {event_id: {}}
    await meeting.alice.see_event(meeting.room.id, event_id)
    assert meeting.alice.view.room(meeting.room.id).bodies() == ["once"]
