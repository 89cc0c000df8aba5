"""Kicks and bans across servers."""

import pytest

from harness.rooms import same_state, see_member, settled_join, shared_room
from harness.user import MatrixError
from harness.waiting import eventually

pytestmark = pytest.mark.every_version


async def test_kick_the_only_user_of_a_server(here, there, version):
    """The kicked user's server hears of the kick although it has nobody in the room any more."""
    alice, bob, room = await shared_room(here, there, version)
    await alice.kick(room, bob, "out")
    kick = await see_member(bob, room, bob, "leave")
    assert (kick["sender"], kick["content"]["reason"]) == (alice.id, "out")
    await bob.see_membership(room, "leave")
    await see_member(alice, room, bob, "leave")
    with pytest.raises(MatrixError) as refused:
        await bob.send(room, "still here?")
    assert refused.value.status == 403

    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    await same_state(room, alice, bob)


@pytest.mark.versions("6", "12")
async def test_kick_one_of_two(here, there, version):
    """The kicked user's server stays in the room for its other user."""
    alice, bob, room = await shared_room(here, there, version)
    carol = await there.user("carol")
    await carol.join(room)
    await see_member(alice, room, carol, "join")
    await alice.kick(room, bob)
    for witness in (alice, bob, carol):
        await see_member(witness, room, bob, "leave")
    sent = await alice.send(room, "carol only")
    await carol.see_event(room, sent)
    await same_state(room, alice, carol)


async def test_ban_and_unban(here, there, version):
    """A banned user, the only one on its server, cannot come back until the ban is lifted."""
    alice, bob, room = await shared_room(here, there, version)
    await alice.ban(room, bob, "spam")
    ban = await see_member(bob, room, bob, "ban")
    assert ban["content"]["reason"] == "spam"
    await bob.see_membership(room, "leave")
    with pytest.raises(MatrixError) as refused:
        await bob.join(room, via=here.name)
    assert (refused.value.status, refused.value.code) == (403, "M_FORBIDDEN")

    await alice.unban(room, bob)
    await see_member(alice, room, bob, "leave")

    # The unban may still be on its way, or may never come: bob's server has nobody in the room.
    async def come_back():
        try:
            return await bob.join(room, via=here.name)
        except MatrixError as refused:
            assert refused.code == "M_FORBIDDEN", refused
            return None

    await eventually(come_back, "bob may join again")
    await settled_join(room, bob, alice)
    await same_state(room, alice, bob)


@pytest.mark.versions("6", "12")
async def test_ban_by_the_other_server_s_moderator(here, there, version):
    """A moderator who is on the other server bans a user of the server that made the room."""
    alice, bob, room = await shared_room(here, there, version)
    carol = await here.user("carol")
    await carol.join(room)
    levels = await alice.state_content(room, "m.room.power_levels")
    levels.setdefault("users", {})[bob.id] = 50
    await bob.see_event(room, await alice.set_state(room, "m.room.power_levels", levels))
    await see_member(bob, room, carol, "join")
    await bob.ban(room, carol)
    for witness in (alice, bob, carol):
        await see_member(witness, room, carol, "ban")
    await same_state(room, alice, bob)


@pytest.mark.versions("6", "12")
async def test_ban_of_a_stranger(here, there, version):
    """A user who never was in the room can be banned, and then cannot join."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version)
    await alice.ban(room, bob)
    with pytest.raises(MatrixError) as refused:
        await bob.join(room, via=here.name)
    assert (refused.value.status, refused.value.code) == (403, "M_FORBIDDEN")
