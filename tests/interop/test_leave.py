"""Leaving rooms, and coming back."""

import pytest

from harness.rooms import same_state, see_member, settled_join, shared_room

pytestmark = pytest.mark.every_version


async def test_leave_and_rejoin(here, there, version):
    """The server of a user who left, the only one it had in the room, comes back through another server."""
    alice, bob, room = await shared_room(here, there, version)
    await bob.leave(room)
    await see_member(alice, room, bob, "leave")
    await bob.see_membership(room, "leave")
    missed = await alice.send(room, "while bob is away")

    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    await same_state(room, alice, bob)
    sent = await bob.send(room, "back again")
    await alice.see_event(room, sent)
    # The room's history is shared, so what was said meanwhile can be read.
    assert missed in {event["event_id"] for event in await bob.history(room)}


async def test_maker_leaves_and_rejoins(here, there, version):
    """The server that made the room is no exception: it comes back through the one that stayed."""
    alice, bob, room = await shared_room(here, there, version)
    await alice.leave(room)
    await see_member(bob, room, alice, "leave")
    await bob.send(room, "alone")
    await alice.join(room, via=there.name)
    await settled_join(room, alice, bob)
    await same_state(room, alice, bob)
    sent = await alice.send(room, "no longer alone")
    await bob.see_event(room, sent)


@pytest.mark.versions("6", "12")
async def test_nothing_arrives_after_leaving(here, there, version):
    """What is sent after a user left does not show in that user's sync or history."""
    alice, bob, room = await shared_room(here, there, version)
    await bob.leave(room)
    await see_member(alice, room, bob, "leave")
    await bob.see_membership(room, "leave")
    secret = await alice.send(room, "not for bob")
    # A room that bob is still in shows when everything that alice's server had to send has arrived.
    marker_room = await alice.create_room(version)
    await bob.join(marker_room, via=here.name)
    await settled_join(marker_room, bob, alice)
    assert bob.view.room(room).event(secret) is None
    assert secret not in {event["event_id"] for event in await bob.history(room)}
