"""A server is killed while messages flow."""

import asyncio

import aiohttp
import pytest

from harness.rooms import same_state, shared_room
from harness.user import MatrixError
from harness.waiting import eventually

# Messages that each side has sent when the server dies, and how many it tries at most.
BEFORE = 40
AT_MOST = 4_000


@pytest.mark.parametrize("made, version", [("left", "12"), ("right", "10")], ids=["made-left-v12", "made-right-v10"])
async def test_kill_loses_nothing_acknowledged(pair, here, there, version):
    """SIGKILL of the left server: all that either server acknowledged to a client is on both sides afterwards."""
    alice, bob, room = await shared_room(here, there, version)
    acknowledged = {alice.id: [], bob.id: []}
    killed = asyncio.Event()

    async def send_until_killed(user):
        for number in range(AT_MOST):
            if killed.is_set():
                return
            try:
                acknowledged[user.id].append(await user.send(room, f"{user.localpart} {number}"))
            except (aiohttp.ClientError, MatrixError, asyncio.TimeoutError):
                return

    senders = [asyncio.create_task(send_until_killed(user)) for user in (alice, bob)]
    await eventually(lambda: all(len(sent) >= BEFORE for sent in acknowledged.values()), "messages flow")
    await pair.left.kill()
    killed.set()
    await asyncio.gather(*senders)
    on_left = alice if here is pair.left else bob
    assert BEFORE <= len(acknowledged[on_left.id]) < AT_MOST, "the kill came while messages flowed"

    await pair.left.start()
    await pair.nudge()
    sent = acknowledged[alice.id] + acknowledged[bob.id]

    async def all_there():
        for reader in (alice, bob):
            ids = [event["event_id"] for event in await reader.history(room)]
            assert len(set(ids)) == len(ids), "an event twice"
            lost = [event_id for event_id in sent if event_id not in ids]
            assert not lost, f"{reader.id} lacks {len(lost)} of {len(sent)}"
            for sender in acknowledged.values():
                assert [event_id for event_id in ids if event_id in set(sender)] == sender
        return True

    await eventually(all_there, "everything acknowledged, on both sides", 120)
    after = await on_left.send(room, "risen")
    await alice.see_event(room, after)
    await bob.see_event(room, after)
    await same_state(room, alice, bob)
