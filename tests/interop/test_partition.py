"""Both sides change a room while they cannot reach each other."""

import pytest

from harness.rooms import both_see, same_state, see_member, shared_room
from harness.waiting import eventually
from test_state import give_power


async def test_messages_on_both_sides_of_a_cut(pair, here, there, peer, version):
    """What was said on both sides arrives after the cut; until somebody speaks, the room has two ends."""
    alice, bob, room = await shared_room(here, there, version)
    await pair.cut()
    from_alice = [await alice.send(room, f"alice alone {number}") for number in range(3)]
    from_bob = [await bob.send(room, f"bob alone {number}") for number in range(3)]
    for user, other_side in ((alice, from_bob), (bob, from_alice)):
        await user.sync()
        assert not user.view.room(room).known & set(other_side), "the cut leaks"

    await pair.mend()
    for event in from_alice + from_bob:
        await alice.see_event(room, event)
        await bob.see_event(room, event)
    for server in (here, there):
        assert set(await peer.forward_extremities(server, room)) == {from_alice[-1], from_bob[-1]}
    await same_state(room, alice, bob)

    joining = await bob.send(room, "together again")
    await alice.see_event(room, joining)
    for server in (here, there):
        assert await peer.forward_extremities(server, room) == [joining]


async def test_ban_wins_over_a_later_change(pair, here, there, peer, version):
    """Of two conflicting changes, power decides and not arrival.

    Alice bans Bob, who is a moderator, while he, on the other side of the cut, sets a topic. To his server the topic
    came first and the ban came later; the ban wins there all the same, and takes the topic with it. Alice's server
    gets the topic of one who is banned: soft-failed, shown to nobody, until carol builds upon it.
    """
    alice, bob, room = await shared_room(here, there, version)
    carol = await there.user("carol")
    await carol.join(room)
    await see_member(alice, room, carol, "join")
    before = await alice.set_state(room, "m.room.topic", {"topic": "before"})
    await bob.see_event(room, before)
    await give_power(alice, room, bob, 50, alice, bob, carol)

    await pair.cut()
    topic = await bob.set_state(room, "m.room.topic", {"topic": "bob's"})
    await alice.ban(room, bob)
    ban = (await alice.state(room))[("m.room.member", bob.id)]["event_id"]
    assert (await carol.state(room))[("m.room.topic", "")]["event_id"] == topic
    await forked_and_mended(pair, peer, room, (carol, ban))
    await both_see(room, await carol.send(room, "upon both"), alice, carol)

    state = await same_state(room, alice, carol)
    assert alice.view.room(room).event(topic) is None, "a soft-failed event is shown to nobody"
    assert state[("m.room.member", bob.id)] == ban
    assert state[("m.room.topic", "")] == before


async def test_demotion_wins_over_the_demoted(pair, here, there, peer, version):
    """The maker demotes a moderator, who meanwhile renames the room ten times: the old name stands."""
    alice, bob, room = await shared_room(here, there, version, name="the name")
    await give_power(alice, room, bob, 50, alice, bob)
    named = (await alice.state(room))[("m.room.name", "")]["event_id"]

    await pair.cut()
    for number in range(10):
        await bob.set_state(room, "m.room.name", {"name": f"bob's {number}"})
    levels = await alice.state_content(room, "m.room.power_levels")
    levels["users"][bob.id] = 0
    demoted = await alice.set_state(room, "m.room.power_levels", levels)
    await forked_and_mended(pair, peer, room, (bob, demoted))
    await both_see(room, await bob.send(room, "upon both"), alice, bob)

    state = await same_state(room, alice, bob)
    assert state[("m.room.power_levels", "")] == demoted
    assert state[("m.room.name", "")] == named


async def test_later_of_equals_wins(pair, here, there, peer, version):
    """Two who may both do it set the same things: the later one wins, also where it was the first to arrive."""
    alice, bob, room = await shared_room(here, there, version)
    await give_power(alice, room, bob, 50, alice, bob)
    await pair.cut()
    by_alice, by_bob = [], []
    for number in range(5):
        by_alice.append(await alice.set_state(room, "interop.fact", {"by": "alice"}, f"key {number}"))
        by_bob.append(await bob.set_state(room, "interop.fact", {"by": "bob"}, f"key {number}"))
    await forked_and_mended(pair, peer, room, (alice, by_bob[-1]), (bob, by_alice[-1]))
    state = await same_state(room, alice, bob)
    for number, rivals in enumerate(zip(by_alice, by_bob)):
        sent_at = {event_id: (await alice.event(room, event_id))["origin_server_ts"] for event_id in rivals}
        # State resolution, "mainline ordering": by time, then by event id; the last one stays.
        assert state[("interop.fact", f"key {number}")] == max(rivals, key=lambda i: (sent_at[i], i))


@pytest.mark.versions("6", "12")
async def test_join_and_leave_during_a_cut(pair, here, there, version):
    """Members who come and go on either side are the same on both afterwards."""
    alice, bob, room = await shared_room(here, there, version)
    ann, ben = await here.user("ann"), await there.user("ben")
    carol = await there.user("carol")
    await carol.join(room)
    await see_member(alice, room, carol, "join")
    await pair.cut()
    await ann.join(room)
    await ben.join(room)
    await carol.leave(room)
    await pair.mend()
    await see_member(alice, room, ben, "join")
    await see_member(alice, room, carol, "leave")
    await see_member(bob, room, ann, "join")
    await same_state(room, alice, bob, ann, ben)


async def forked_and_mended(pair, peer, room: str, *seen) -> None:
    """Mends the link, and shows that the room has at least two ends where the other side's event has arrived.

    `seen` are pairs of a user and an event of the other side that reaches the user's server.
    """
    await pair.mend()
    servers = {server.name: server for server in pair.servers}

    async def forked():
        for user, event_id in seen:
            await user.see_event(room, event_id)
            extremities = await peer.forward_extremities(servers[user.server], room)
            assert len(extremities) >= 2, f"no fork at {user.server}: {extremities}"
        return True

    await eventually(forked, f"the ends of {room} are known")
