"""Rooms are joined without their members, who come in the background. S2S API, send_join, omit_members."""

import asyncio
import json

import pytest

from harness.althing import binary, database
from harness.rooms import both_see, same_state, settled_join
from harness.waiting import eventually
from resident import Resident, made_room, membership

MEMBERS = 1_500


def room_with_a_ban(peer):
    """A room of the peer with many members, and somebody who is banned. Also returns the join from before the ban."""
    room = made_room(peer, MEMBERS)
    maker, room.user = room.user, peer.user("mallory")
    joined, _ = room.extend("m.room.member", membership(), room.user)
    room.user = maker
    # A ban cites no join rules.
    cited = [*room.auth_events("m.room.topic", "", {}), joined]
    room.extend("m.room.member", membership("ban"), peer.user("mallory"), auth_events=cited)
    return room, joined


async def progress(server) -> list[dict]:
    """What the command line says of joins under way."""
    command = [str(binary()), "room", "joins", "--json", "--config", str(server.folder / "althing.toml")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


async def test_a_room_is_used_before_its_members_are_here(pair, peer):
    """Read and written at once; survives SIGKILL half-way; what a banned user says meanwhile is found out."""
    server = next((server for server in (pair.left, pair.right) if server.kind == "althing"), None)
    if server is None:
        pytest.skip("it looks into the database and asks the command line")
    room, old_join = room_with_a_ban(peer)
    resident = Resident(peer, room)
    alice = await server.user("alice")
    await alice.join(room.id, via=peer.name)

    sent = await alice.send(room.id, "hello from a newcomer")
    await eventually(lambda: sent in room.events, "the message arrives")
    maker, room.user = room.user, peer.user("member7")
    event_id, event = room.extend("m.room.message", {"msgtype": "m.text", "body": "welcome"})
    # Who was banned before cites the join from before that.
    room.user = peer.user("mallory")
    auth = [i for i in room.auth_events("m.room.message", None, {}) if room.events[i]["type"] != "m.room.member"]
    evil_id, evil = room.message("still here", auth_events=[*auth, old_join])
    room.user = maker
    answer = await peer.send(server, [event, evil])
    assert answer.status == 200, answer.text
    assert (await alice.see_event(room.id, event_id))["sender"] == peer.user("member7")
    lazily, told_lazily = await synced(alice, room.id, lazy=True)
    wholly, told = await synced(alice, room.id, lazy=False)
    assert len(told_lazily) < 10 and len(told) < 10, "nobody has told the members"

    resident.telling = "half"
    told = await eventually(lambda: partly_here(server), "half of the members are here", 60)
    assert told["room_id"] == room.id and told["given_by"] == peer.name
    await server.kill()
    await server.start()
    assert (await progress(server))[0]["lacking"] <= told["lacking"]
    again = await alice.send(room.id, "after the kill")
    await eventually(lambda: again in room.events, "the message arrives")

    resident.tell_all()
    await eventually(lambda: nothing_under_way(server), "all members are here", 60)
    joined = (await alice.request("GET", f"/client/v3/rooms/{room.id}/joined_members"))["joined"]
    _, told_lazily = await synced(alice, room.id, lazy=True, since=lazily)
    assert len(told_lazily) < 10, "they are no news to who does without"
    _, told = await synced(alice, room.id, lazy=False, since=wholly)
    assert len(told) > MEMBERS - 10, "the others are told now"
    assert len(joined) == MEMBERS + 2 and alice.id in joined and peer.user("mallory") not in joined
    state = {key: event["event_id"] for key, event in (await alice.state(room.id)).items()}
    assert state == room.state
    outcome = "SELECT outcome FROM graph JOIN events ON number = event WHERE event_id = ?"
    assert database(server).execute(outcome, [evil_id]).fetchall() == [(2,)], "rejected, now that the ban is known"
    assert evil_id not in [event["event_id"] for event in await alice.history(room.id)]


async def synced(user, room_id, lazy: bool, **since) -> tuple[str, list[str]]:
    """A token, and the members that a client is told beside the timeline. One that is lazy is told those that it has to show."""
    wanted = json.dumps({"room": {"state": {"lazy_load_members": lazy}}})
    answer = await user.request("GET", "/client/v3/sync", filter=wanted, **since)
    state = answer["rooms"]["join"][room_id]["state"]["events"]
    return answer["next_batch"], [event["state_key"] for event in state if event["type"] == "m.room.member"]


async def partly_here(server):
    told = await progress(server)
    half_way = told and told[0]["wanted"] and 0 < told[0]["lacking"] < 0.8 * told[0]["wanted"]
    return told[0] if half_way else None


async def nothing_under_way(server) -> bool:
    return all(join["whole"] for join in await progress(server))


@pytest.mark.versions("6", "10", "12")
async def test_all_members_of_a_real_room_are_known_in_the_end(pair, here, there, version):
    """A room of many users of one server, joined by the other: both come to know the same members."""
    users = [await here.user(f"user{number}") for number in range(12)]
    room = await users[0].create_room(version)
    for user in users[1:]:
        await user.join(room)
    await users[0].ban(room, users[-1])
    newcomer = await there.user("newcomer")
    await newcomer.join(room, via=here.name)
    await both_see(room, await newcomer.send(room, "at once"), users[0], newcomer)
    await settled_join(room, newcomer, users[0])
    state = await same_state(room, users[0], newcomer)
    assert len([key for key in state if key[0] == "m.room.member"]) == 13
