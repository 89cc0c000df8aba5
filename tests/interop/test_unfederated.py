"""Rooms that are closed to other servers for good (`m.federate: false`)."""

import pytest

from harness.user import MatrixError


async def test_join_from_outside_fails(here, there, version):
    """Nobody of another server can join, however public the room is."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, federate=False, alias=alice.localpart)
    for way in (room, f"#{alice.localpart}:{here.name}"):
        with pytest.raises(MatrixError) as refused:
            await bob.join(way, via=here.name)
        assert refused.value.status in (403, 404), refused.value
    carol = await here.user("carol")
    await carol.join(room)


async def test_invite_to_outside_fails(here, there, version):
    """Nobody of another server can be invited."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, federate=False, public=False)
    with pytest.raises(MatrixError) as refused:
        await alice.invite(room, bob)
    assert (refused.value.status, refused.value.code) == (403, "M_FORBIDDEN")
