"""A server that was down gets what it missed."""

import asyncio

import pytest

from harness.rooms import same_state, shared_room
from harness.waiting import eventually

MISSED = 500


@pytest.mark.parametrize("down, version", [("left", "12"), ("right", "10")], ids=["left-v12", "right-v10"])
async def test_catch_up_after_500_messages(pair, down, version):
    """One server is down while the other sends 500 messages: afterwards it has every one, in order."""
    sleeper = getattr(pair, down)
    awake = pair.other(sleeper)
    alice, bob, room = await shared_room(awake, sleeper, version)
    await sleeper.stop()
    missed = [await alice.send(room, f"missed {number}") for number in range(MISSED)]
    await sleeper.start()
    await pair.nudge()

    await bob.see_event(room, missed[-1], limit=120)

    async def complete():
        ids = [event["event_id"] for event in await bob.history(room)]
        assert [event_id for event_id in ids if event_id in wanted] == missed
        return True

    wanted = set(missed)
    await eventually(complete, "all that was missed, in order", 120)
    answer = await bob.send(room, "caught up")
    await alice.see_event(room, answer)
    await same_state(room, alice, bob)


@pytest.mark.parametrize("down", ["left", "right"])
@pytest.mark.versions("12")
async def test_catch_up_of_many_rooms(pair, down, version):
    """What was missed in several rooms, state among it, is caught up in each."""
    sleeper = getattr(pair, down)
    awake = pair.other(sleeper)
    rooms = [await shared_room(awake, sleeper, version) for _ in range(5)]
    await sleeper.stop()
    last = {}
    for alice, bob, room in rooms:
        for number in range(5):
            await alice.set_state(room, "m.room.topic", {"topic": f"{number}"})
            last[room] = await alice.send(room, f"missed {number}")
    await sleeper.start()
    await pair.nudge()
    await asyncio.gather(*(bob.see_event(room, last[room], limit=120) for _, bob, room in rooms))
    for alice, bob, room in rooms:
        await same_state(room, alice, bob)
