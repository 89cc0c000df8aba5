"""A server is killed again and again, at random instants, while its own and another server's users speak.

    tests/interop/run test_crashes.py --kills=300       # thirty rounds of ten
"""

import asyncio
import random

import aiohttp
import pytest

from harness.rooms import same_state, shared_room
from harness.signed import segment
from harness.user import User
from harness.waiting import eventually

# The longest that the server lives, in seconds.
LIFE_MAX = 0.8
# Between two words of a user.
PAUSE = 0.01


class Speaker:
    """Says one thing after the other, each until it is acknowledged, and knows what was."""

    def __init__(self, user: User, room: str):
        self.user, self.room = user, room
        self.acknowledged: list[str] = []
        self.enough = False

    async def speak(self) -> None:
        number = 0
        while not self.enough:
            number += 1
            await self.say(number)
            await asyncio.sleep(PAUSE)

    async def say(self, number: int) -> None:
        """Sends one message under one transaction id, however often that takes."""
        path = f"/client/v3/rooms/{segment(self.room)}/send/m.room.message/crash-{number}"
        content = {"msgtype": "m.text", "body": f"{self.user.localpart} {number}"}
        while True:
            try:
                answer = await self.user.request("PUT", path, content)
                self.acknowledged.append(answer["event_id"])
                return
            except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError):
                await asyncio.sleep(PAUSE)


@pytest.mark.versions("12")
async def test_what_was_acknowledged_outlives_every_crash(pair, version, crash_round):
    """Ten times SIGKILL: all that was acknowledged is on both sides exactly once, and each speaker's words are in their order."""
    dice = random.Random(crash_round)
    alice, bob, room = await shared_room(pair.left, pair.right, version)
    speakers = [Speaker(alice, room), Speaker(bob, room)]
    speaking = [asyncio.create_task(speaker.speak()) for speaker in speakers]
    for _ in range(10):
        # The instant is what is drawn: nothing is waited for.
        await asyncio.sleep(dice.uniform(0, LIFE_MAX))
        await pair.left.kill()
        await pair.left.start()
    for speaker in speakers:
        speaker.enough = True
    await asyncio.gather(*speaking)
    assert all(len(speaker.acknowledged) > 20 for speaker in speakers), "both spoke through it all"
    await pair.nudge()

    async def all_there_once_and_in_order():
        for reader in (alice, bob):
            ids = [event["event_id"] for event in await reader.history(room)]
            assert len(set(ids)) == len(ids), "an event twice"
            for speaker in speakers:
                said = set(speaker.acknowledged)
                assert len(said) == len(speaker.acknowledged), "two messages were acknowledged as one"
                shown = [event_id for event_id in ids if event_id in said]
                assert shown == speaker.acknowledged, f"{reader.id}: {len(shown)} of {len(said)}"
        return True

    await eventually(all_there_once_and_in_order, "everything acknowledged, on both sides", 120)
    # What was said is there once, though it was sent again after each crash.
    bodies = [event["content"].get("body") for event in await bob.history(room) if event["type"] == "m.room.message"]
    assert len(set(bodies)) == len(bodies), "a message twice"
    last = await alice.send(room, "risen")
    await bob.see_event(room, last)
    await same_state(room, alice, bob)
