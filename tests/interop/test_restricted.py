"""Restricted rooms: the members of one room may join another."""

import pytest

from harness.rooms import same_state, see_member, settled_join
from harness.user import MatrixError

pytestmark = pytest.mark.since(8)


async def test_restricted_join(here, there, version):
    """A member of the lobby joins the room beyond it through the server that made both."""
    alice, bob, lobby, room = await lobby_and_room(here, there, version)
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    join = (await alice.state(room))[("m.room.member", bob.id)]
    assert join["content"]["join_authorised_via_users_server"] == alice.id
    await same_state(room, alice, bob)


async def test_restricted_join_refused(here, there, version):
    """Who is not in the lobby does not get in, and is told that it is forbidden."""
    alice, bob, lobby, room = await lobby_and_room(here, there, version)
    carol = await there.user("carol")
    with pytest.raises(MatrixError) as refused:
        await carol.join(room, via=here.name)
    assert (refused.value.status, refused.value.code) == (403, "M_FORBIDDEN")


async def test_restricted_join_by_second_user(here, there, version):
    """A server whose users may not invite cannot authorise a join itself: it asks one that can."""
    alice, bob, lobby, room = await lobby_and_room(here, there, version, invite_level=50)
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    carol = await there.user("carol")
    await carol.join(lobby, via=here.name)
    await settled_join(lobby, carol, alice)
    await carol.join(room, via=here.name)
    await settled_join(room, carol, alice)
    await same_state(room, alice, bob, carol)


async def test_restricted_join_authorised_locally(here, there, version):
    """Where every member may invite, the second user's own server authorises the join, and the other accepts it."""
    alice, bob, lobby, room = await lobby_and_room(here, there, version, invite_level=0)
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    carol = await there.user("carol")
    await carol.join(lobby, via=here.name)
    await settled_join(lobby, carol, alice)
    await carol.join(room)
    await see_member(alice, room, carol, "join")
    await same_state(room, alice, bob, carol)


async def test_restricted_join_by_invite(here, there, version):
    """An invite opens a restricted room to those who are not in the lobby."""
    alice, bob, lobby, room = await lobby_and_room(here, there, version)
    carol = await there.user("carol")
    await alice.invite(room, carol)
    await carol.see_membership(room, "invite")
    await carol.join(room)
    await settled_join(room, carol, alice)
    await same_state(room, alice, carol)


async def lobby_and_room(here, there, version: str, invite_level: int = 50):
    """Makes a lobby with alice and bob, and a room of alice's that its members may join."""
    alice, bob = await here.user("alice"), await there.user("bob")
    lobby = await alice.create_room(version)
    await bob.join(lobby, via=here.name)
    await settled_join(lobby, bob, alice)
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": lobby}]}
    room = await alice.create_room(
        version,
        public=False,
        initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rule}],
        power_level_override={"invite": invite_level},
    )
    return alice, bob, lobby, room
