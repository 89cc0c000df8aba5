"""Knocking on rooms."""

import pytest

from harness.rooms import same_state, see_member, settled_join
from harness.user import MatrixError

pytestmark = pytest.mark.since(7)


async def test_knock_and_be_let_in(here, there, version):
    """A knock is seen by the room, answered by an invite, and ends in a join."""
    alice, bob, room = await knocked(here, there, version)
    await alice.invite(room, bob)
    await bob.see_membership(room, "invite")
    await bob.join(room)
    await settled_join(room, bob, alice)
    await same_state(room, alice, bob)


async def test_knock_and_be_rejected(here, there, version):
    """A knock that a moderator turns down ends as a leave on both sides."""
    alice, bob, room = await knocked(here, there, version)
    await alice.kick(room, bob, "not today")
    await see_member(alice, room, bob, "leave")
    # Synapse neither tells the server of one who knocked, nor believes it when told.
    if "synapse" not in (here.kind, there.kind):
        await bob.see_membership(room, "leave")
    with pytest.raises(MatrixError) as refused:
        await bob.join(room, via=here.name)
    assert (refused.value.status, refused.value.code) == (403, "M_FORBIDDEN")


async def test_knock_withdrawn(here, there, version):
    """The one who knocked may think better of it."""
    alice, bob, room = await knocked(here, there, version)
    await bob.leave(room)
    await bob.see_membership(room, "leave")
    # Synapse takes a knock back for its own user only.
    if there.kind != "synapse":
        await see_member(alice, room, bob, "leave")


async def test_knock_refused(here, there, version):
    """Nobody can knock on a room that takes no knocks."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, public=False)
    with pytest.raises(MatrixError) as refused:
        await bob.knock(room, here.name)
    assert (refused.value.status, refused.value.code) == (403, "M_FORBIDDEN")


async def knocked(here, there, version: str):
    """Makes a room of alice's on which bob has knocked; both have seen the knock."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(
        version,
        public=False,
        name="Behind the door",
        initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}],
    )
    assert await bob.knock(room, here.name) == room
    knock = await see_member(alice, room, bob, "knock")
    assert knock["content"]["reason"] == "please"
    await bob.see_membership(room, "knock")
    names = [event["content"]["name"] for event in bob.view.room(room).stripped if event["type"] == "m.room.name"]
    assert names == ["Behind the door"]
    return alice, bob, room
