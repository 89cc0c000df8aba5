"""Room state across servers."""

import asyncio

import pytest

from harness.rooms import both_see, same_state, shared_room
from harness.user import MatrixError
from harness.waiting import eventually

pytestmark = pytest.mark.every_version


async def test_topic_and_name(here, there, version):
    """A change of topic or name shows on both sides."""
    alice, bob, room = await shared_room(here, there, version)
    for type, key in (("m.room.topic", "topic"), ("m.room.name", "name")):
        event = await alice.set_state(room, type, {key: f"a new {key}"})
        await both_see(room, event, alice, bob)
        for reader in (alice, bob):
            assert (await reader.state_content(room, type))[key] == f"a new {key}"
    await same_state(room, alice, bob)


async def test_power_levels(here, there, version):
    """Power given to the other side's user takes effect there, and power taken away does too."""
    alice, bob, room = await shared_room(here, there, version)
    with pytest.raises(MatrixError) as refused:
        await bob.set_state(room, "m.room.topic", {"topic": "bob's"})
    assert (refused.value.status, refused.value.code) == (403, "M_FORBIDDEN")

    await give_power(alice, room, bob, 50, alice, bob)
    topic = await bob.set_state(room, "m.room.topic", {"topic": "bob's"})
    await both_see(room, topic, alice, bob)

    await give_power(alice, room, bob, 0, alice, bob)
    with pytest.raises(MatrixError) as refused:
        await bob.set_state(room, "m.room.topic", {"topic": "bob's again"})
    assert refused.value.code == "M_FORBIDDEN"
    state = await same_state(room, alice, bob)
    assert state[("m.room.topic", "")] == topic


async def test_state_is_equal(here, there, version):
    """The whole of /state is equal by event ids after changes of many kinds from both sides at once."""
    alice, bob, room = await shared_room(here, there, version)
    await give_power(alice, room, bob, 50, alice, bob)

    async def changes(user):
        for number in range(10):
            await user.set_state(room, "interop.fact", {"by": user.id, "n": number}, f"{user.localpart} {number}")
            await user.set_state(room, "m.room.topic", {"topic": f"{user.localpart} {number}"})

    await asyncio.gather(changes(alice), changes(bob))
    state = await same_state(room, alice, bob)
    assert len([key for key in state if key[0] == "interop.fact"]) == 20


@pytest.mark.versions("6", "12")
async def test_member_lists_are_equal(here, there, version):
    """/joined_members and /members agree on both sides."""
    alice, bob, room = await shared_room(here, there, version)
    carol = await there.user("carol")
    await carol.join(room)

    async def agree():
        members = [set((await user.request("GET", f"/client/v3/rooms/{room}/joined_members"))["joined"])
                   for user in (alice, bob)]
        assert members[0] == members[1] == {alice.id, bob.id, carol.id}, members
        events = [await user.request("GET", f"/client/v3/rooms/{room}/members") for user in (alice, bob)]
        ours, theirs = [{event["event_id"] for event in answer["chunk"]} for answer in events]
        assert ours == theirs
        return True

    await eventually(agree, "the same members on both sides")


async def give_power(giver, room: str, user, level: int, *witnesses) -> str:
    """Sets one user's power level and waits until the witnesses see it."""
    content = await giver.state_content(room, "m.room.power_levels")
    content.setdefault("users", {})[user.id] = level
    event = await giver.set_state(room, "m.room.power_levels", content)
    await both_see(room, event, *witnesses)
    return event
