"""A third server comes into a room that it did not know."""

import pytest

from harness.rooms import both_see, same_state, settled_join, shared_room


async def test_third_server_joins_through_the_right_one(pair, here, there, version):
    """The third server knows the right one only, whoever made the room, and then hears everybody."""
    third = await pair.third_server()
    alice, bob, room = await shared_room(here, there, version)
    carol = await third.user("carol")
    await carol.join(room, via=pair.right.name)
    for witness in (alice, bob):
        await settled_join(room, carol, witness)
    for user in (alice, bob, carol):
        sent = await user.send(room, f"{user.localpart} says hello")
        await both_see(room, sent, alice, bob, carol)
    await same_state(room, alice, bob, carol)


@pytest.mark.versions("6", "12")
async def test_third_server_is_told_when_the_link_between_others_is_cut(pair, here, there, version):
    """Two servers that cannot reach each other both reach the third, and all agree once the cut is mended."""
    third = await pair.third_server()
    alice, bob, room = await shared_room(here, there, version)
    carol = await third.user("carol")
    await carol.join(room, via=pair.right.name)
    for witness in (alice, bob):
        await settled_join(room, carol, witness)
    await pair.cut()
    from_alice = await alice.send(room, "into the third")
    from_bob = await bob.send(room, "also into the third")
    await both_see(room, from_alice, carol)
    await both_see(room, from_bob, carol)
    await pair.mend()
    await both_see(room, from_alice, bob)
    await both_see(room, from_bob, alice)
    await same_state(room, alice, bob, carol)
