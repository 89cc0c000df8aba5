"""What works at home while the other server is dead."""

import pytest

from harness.rooms import shared_room
from harness.user import MatrixError
from harness.waiting import eventually

LIMIT = 60


@pytest.mark.versions("10", "12")
async def test_leave_while_the_other_server_is_dead(pair, here, there, version):
    """Leaving a room works although the server that made it is dead."""
    alice, bob, room = await shared_room(here, there, version)
    await here.link.cut()
    await bob.leave(room)
    await bob.see_membership(room, "leave", LIMIT)
    await bob.forget(room)


@pytest.mark.versions("10", "12")
async def test_reject_while_the_other_server_is_dead(pair, here, there, version):
    """Rejecting an invite works although the inviter's server is dead, and the invite is gone for good."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, public=False)
    await alice.invite(room, bob)
    await bob.see_membership(room, "invite")
    await here.link.cut()
    await bob.leave(room)
    await bob.see_membership(room, "leave", LIMIT)
    fresh = await bob.request("GET", "/client/v3/sync")
    assert room not in fresh.get("rooms", {}).get("invite", {})


async def test_join_fails_in_time(pair, here, there, made):
    """A join through a dead server ends with an error of ours, within the time a client waits."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room("12")
    await here.link.cut()
    with pytest.raises(MatrixError) as failed:
        await bob.join(room, via=here.name)
    assert failed.value.status >= 400 and failed.value.code, failed.value
    await here.link.mend()

    async def joins():
        try:
            return await bob.join(room, via=here.name)
        except MatrixError:
            return None

    assert await eventually(joins, "the join works once the server is back", LIMIT) == room
