"""The scripted peer itself: what it sends when nothing is broken is taken by both servers."""

import pytest

from harness.waiting import eventually

pytestmark = pytest.mark.every_version


@pytest.mark.parametrize("side", ["left", "right"])
async def test_peer_joins_and_talks(pair, peer, side, version):
    """The peer joins through make_join and send_join, and messages go both ways."""
    server = getattr(pair, side)
    alice = await server.user("alice")
    room_id = await alice.create_room(version)
    room = await peer.join(server, room_id, peer.user("mallory"))
    assert room.version == version

    event_id, event = room.extend("m.room.message", {"msgtype": "m.text", "body": "hello from the peer"})
    answer = await peer.send(server, [event])
    assert answer.status == 200 and answer.body["pdus"][event_id] == {}, answer.text
    assert (await alice.see_event(room_id, event_id))["content"]["body"] == "hello from the peer"

    sent = await alice.send(room_id, "hello peer")
    await eventually(lambda: sent in room.events, "alice's message reaches the peer")
    assert room.events[sent]["content"]["body"] == "hello peer"


@pytest.mark.parametrize("side", ["left", "right"])
async def test_missing_events_are_fetched(pair, peer, side, version):
    """The peer sends only the last of three messages: the server asks for the ones between."""
    server = getattr(pair, side)
    alice = await server.user("alice")
    room_id = await alice.create_room(version)
    room = await peer.join(server, room_id, peer.user("mallory"))
    events = [room.extend("m.room.message", {"msgtype": "m.text", "body": f"part {n}"}) for n in range(3)]
    answer = await peer.send(server, [events[-1][1]])
    assert answer.status == 200, answer.text
    for event_id, _ in events:
        await alice.see_event(room_id, event_id)
    assert alice.view.room(room_id).bodies() == ["part 0", "part 1", "part 2"]
