"""Profiles of the other server's users."""

import pytest

from harness.rooms import see_member, shared_room
from harness.user import MatrixError, check
from harness.waiting import eventually

AVATAR = "mxc://interop.test/avatar"


async def test_profile_of_a_remote_user(here, there, made):
    """Display name and avatar of the other server's user, who is in no room with the one who asks."""
    alice, bob = await here.user("alice"), await there.user("bob")
    check(await alice.nio.set_displayname("Alice Þórsdóttir"))
    check(await alice.nio.set_avatar(AVATAR))

    async def complete():
        profile = check(await bob.nio.get_profile(alice.id))
        assert (profile.displayname, profile.avatar_url) == ("Alice Þórsdóttir", AVATAR)
        return True

    await eventually(complete, "the profile")
    assert check(await bob.nio.get_displayname(alice.id)).displayname == "Alice Þórsdóttir"
    assert check(await bob.nio.get_avatar(alice.id)).avatar_url == AVATAR


async def test_profile_of_nobody(here, there, made):
    """A user who does not exist on the other server is not found."""
    bob = await there.user("bob")
    with pytest.raises(MatrixError) as missing:
        await bob.request("GET", f"/client/v3/profile/@nobody:{here.name}")
    assert (missing.value.status, missing.value.code) == (404, "M_NOT_FOUND")


@pytest.mark.versions("6", "12")
async def test_profile_change_reaches_rooms(here, there, version):
    """A new name shows in the member events of the rooms that both are in, on both sides."""
    alice, bob, room = await shared_room(here, there, version)
    for user, witness in ((alice, bob), (bob, alice)):
        name = f"new name of {user.localpart}"
        check(await user.nio.set_displayname(name))

        def renamed(view):
            events = [e for e in view.room(room).timeline if e.get("state_key") == user.id]
            return events and events[-1]["content"].get("displayname") == name

        await witness.see(renamed, f"{name} in {room}")
        await see_member(witness, room, user, "join")
