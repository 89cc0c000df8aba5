"""Invites across servers."""

import pytest

from harness.rooms import same_state, see_member, settled_join

pytestmark = pytest.mark.every_version


async def test_invite_and_join(here, there, version):
    """The invited user sees the room's name before joining, and joins without naming a server."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, public=False, name="The parlour")
    await alice.invite(room, bob)
    await bob.see_membership(room, "invite")
    await see_stripped_state(bob, room, alice, version)
    await bob.join(room)
    await settled_join(room, bob, alice)
    await same_state(room, alice, bob)


async def test_invite_and_reject(here, there, version):
    """A rejected invite ends as a leave on both sides."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, public=False)
    await alice.invite(room, bob)
    await bob.see_membership(room, "invite")
    await bob.leave(room)
    await see_member(alice, room, bob, "leave")
    await bob.see_membership(room, "leave")


async def test_invite_withdrawn(here, there, version):
    """An invite that the inviter takes back vanishes at the invited user's side."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, public=False)
    await alice.invite(room, bob)
    await bob.see_membership(room, "invite")
    await alice.kick(room, bob, "changed my mind")
    await bob.see_membership(room, "leave")


@pytest.mark.versions("6", "12")
async def test_invite_at_creation(here, there, version):
    """An invite that `/createRoom` asks for, marked as a direct chat."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, public=False, invite=[bob.id], is_direct=True)
    await bob.see_membership(room, "invite")
    own = [event for event in bob.view.room(room).stripped if event.get("state_key") == bob.id]
    assert own and own[-1]["content"].get("is_direct") is True
    await bob.join(room)
    await settled_join(room, bob, alice)


@pytest.mark.versions("6", "12")
async def test_invite_into_shared_room(here, there, version):
    """A member invites a second user of a server that is in the room already."""
    alice, bob, carol = await here.user("alice"), await there.user("bob"), await there.user("carol")
    room = await alice.create_room(version, public=False)
    for guest in (bob, carol):
        await alice.invite(room, guest)
        await guest.see_membership(room, "invite")
        await guest.join(room)
        await settled_join(room, guest, alice)
    await same_state(room, alice, bob, carol)


async def see_stripped_state(user, room: str, inviter, version: str) -> None:
    """The invite carries what a client shows of a room, and nothing that is no stripped state."""
    stripped = {(event["type"], event["state_key"]): event for event in user.view.room(room).stripped}
    assert stripped[("m.room.name", "")]["content"]["name"] == "The parlour"
    assert stripped[("m.room.member", user.id)]["content"]["membership"] == "invite"
    assert stripped[("m.room.member", user.id)]["sender"] == inviter.id
    assert stripped[("m.room.join_rules", "")]["content"]["join_rule"] == "invite"
    if version == "12":
        assert stripped[("m.room.create", "")]["sender"] == inviter.id
    for event in stripped.values():
        assert "auth_events" not in event and "signatures" not in event, event
