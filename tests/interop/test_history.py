"""History from before a join, as the room's history visibility allows."""

import pytest

from harness.rooms import settled_join
from harness.signed import Signer, segment
from harness.waiting import eventually

# More than one page of /messages, of /backfill (100) and of a sync.
BEFORE = 130


async def test_shared_history_is_backfilled(here, there, version):
    """With shared history, everything from before the join can be read, through backfill, in order."""
    alice, bob, room, before = await room_with_past(here, there, version, "shared", BEFORE)
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)

    async def complete():
        ids = [event["event_id"] for event in await bob.history(room)]
        assert len(set(ids)) == len(ids), "an event twice"
        assert [event_id for event_id in ids if event_id in before] == before
        return ids

    ids = await eventually(complete, "the whole history by backfill")
    create = (await bob.state(room))[("m.room.create", "")]
    assert ids[0] == create["event_id"], "the history goes back to the room's first event"


async def test_joined_history_stays_hidden(here, there, version):
    """With joined history the client sees nothing from before its join, and all from then on."""
    alice, bob, room, before = await room_with_past(here, there, version, "joined", 5)
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    after = [await alice.send(room, f"after {number}") for number in range(5)]
    await bob.see_event(room, after[-1])
    seen = {event["event_id"] for event in await bob.history(room)}
    assert not seen & set(before)
    assert set(after) <= seen
    assert not {event["event_id"] for event in bob.view.room(room).timeline} & set(before)


async def test_joined_history_is_redacted_for_the_server(here, there, version):
    """To the joiner's server the same history is served redacted, so that the chain of events is unbroken."""
    if not hasattr(there, "signing_key"):
        pytest.skip(f"{there.kind} keeps its signing key to itself, so the test cannot ask in its name")
    alice, bob, room, before = await room_with_past(here, there, version, "joined", 5)
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    asker = Signer(there.name, there.signing_key, there.authority)
    join = (await bob.state(room))[("m.room.member", bob.id)]["event_id"]
    answer = await asker.request(here, "GET", f"/v1/backfill/{segment(room)}", v=join, limit=20)
    assert answer.status == 200, answer.text
    messages = [pdu for pdu in answer.body["pdus"] if pdu["type"] == "m.room.message"]
    assert len(messages) == len(before)
    assert all(message["content"] == {} for message in messages), messages
    assert all(message["prev_events"] for message in messages)


async def test_invited_history(here, there, version):
    """With history for invited users, what was said between invite and join can be read, and nothing earlier."""
    alice, bob, room, before = await room_with_past(here, there, version, "invited", 3)
    await alice.invite(room, bob)
    await bob.see_membership(room, "invite")
    between = [await alice.send(room, f"while invited {number}") for number in range(3)]
    await bob.join(room)
    await settled_join(room, bob, alice)

    async def readable():
        seen = {event["event_id"] for event in await bob.history(room)}
        assert not seen & set(before)
        assert set(between) <= seen
        return True

    await eventually(readable, "what was said since the invite")


@pytest.mark.versions("6", "12")
async def test_what_was_said_before_is_found_by_its_time(here, there, version):
    """Who joins late finds events from before by their time: the own server asks the one that was there."""
    alice, bob, room, before = await room_with_past(here, there, version, "shared", 10)
    times = [(await alice.event(room, event_id))["origin_server_ts"] for event_id in before]
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    for user in (alice, bob):
        for direction in ("f", "b"):
            found = await user.event_by_time(room, times[4], direction)
            assert found["origin_server_ts"] == times[4], f"{user.id} finds {found}, not one of {times}"
        event = await user.event(room, found["event_id"])
        assert event["origin_server_ts"] == times[4]


async def room_with_past(here, there, version: str, visibility: str, messages: int):
    """Makes a room of alice's with messages that were sent before bob joins; returns their ids in order."""
    alice, bob = await here.user("alice"), await there.user("bob")
    rule = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}
    room = await alice.create_room(version, initial_state=[rule])
    before = [await alice.send(room, f"before {number}") for number in range(messages)]
    return alice, bob, room, before
