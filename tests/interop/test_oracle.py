"""Synapse and Althing are told of the same generated history, and must think the same of it.

    tests/interop/run test_oracle.py --graphs=1000 -k v10   # seeds 0 to 999 of one room version
    tests/interop/run test_oracle.py --first-graph=17 --graphs=1 -k v10
"""

import asyncio

import peer_events
from graphs import Graph
from harness.rooms import shared_room
from harness.signed import segment
from harness.waiting import eventually

STEPS = 30
# As many as a transaction may have.
PDUS_MAX = 50
# Events of each graph whose state is compared; the last one's is among them.
SAMPLED = 12


async def test_the_same_of_a_generated_history(pair, peer, version, graph_seed):
    """The same events are accepted, the same rejected, each has the same state before it, and each is served alike."""
    mallory = peer.user("mallory")
    users = {mallory: 100}
    alice = await pair.left.user("alice")
    if version != "12":
        users[alice.id] = 100
    alice, bob, room_id = await shared_room(
        pair.left, pair.right, version, here_user=alice, power_level_override={"users": users}
    )
    room = await peer.join(pair.left, room_id, mallory)
    await bob.see_membership(room_id, "join")
    graph = Graph(room, graph_seed)
    for _ in range(STEPS):
        graph.step()
    last = graph.end()
    for server in (pair.left, pair.right):
        events = graph.another_order()
        # Synapse takes the events of a transaction in any order, and would ask the peer for parents that are on their way.
        together = graph.random.randint(1, PDUS_MAX) if server.kind == "althing" else 1
        for start in range(0, len(events), together):
            answer = await peer.send(server, events[start : start + together])
            assert answer.status == 200, answer.text
    for server in (pair.left, pair.right):
        await eventually(lambda: is_served(peer, server, last), f"{server.kind} has judged everything")

    await compare_verdicts(pair, peer, graph)
    await compare_states(pair, peer, graph, last)


async def compare_verdicts(pair, peer, graph):
    left, right = await asyncio.gather(*(served(peer, server, graph) for server in (pair.left, pair.right)))
    redacted = {redacts_of(event) for _, event in graph.events}
    differing = {}
    for event_id, event in graph.events:
        shown = [left[event_id], right[event_id]]
        if event_id in redacted and None not in shown:
            # Synapse lets redactions act that it has soft-failed, which no client is to see; Althing does not.
            shown = [peer_events.redacted(each, graph.room.version) for each in shown]
        if shown[0] != shown[1]:
            differing[event_id] = f"{pair.left.kind} serves {shown[0]}, {pair.right.kind} {shown[1]} of {event}"
    assert not differing, differing


async def compare_states(pair, peer, graph, last):
    sampled = graph.random.sample([event_id for event_id, _ in graph.events], min(SAMPLED, len(graph.events)))
    for event_id in dict.fromkeys([last, *sampled]):
        event = graph.room.events[event_id]
        left, right = await asyncio.gather(
            *(state_before(peer, server, graph.room.id, event_id) for server in (pair.left, pair.right))
        )
        differing = {
            str(graph.room.events.get(each, each)) for each in (left or set()) ^ (right or set())
        }
        if event["type"] == "m.room.redaction" and None in (left, right):
            # Synapse knows nothing of a redaction that does not act.
            continue
        assert left == right, f"before {event}: {differing}"


def redacts_of(event: dict) -> str | None:
    return event.get("redacts") or event["content"].get("redacts")


async def is_served(peer, server, event_id: str) -> bool:
    return (await peer.request(server, "GET", f"/v1/event/{segment(event_id)}")).status == 200


async def served(peer, server, graph) -> dict[str, dict | None]:
    """What a server serves of each event: nothing of those that it rejected."""
    answers = {}
    for event_id, _ in graph.events:
        answer = await peer.request(server, "GET", f"/v1/event/{segment(event_id)}")
        assert answer.status in (200, 403, 404), answer.text
        answers[event_id] = plain(answer.body["pdus"][0]) if answer.status == 200 else None
    return answers


def plain(event: dict) -> dict:
    return {key: value for key, value in event.items() if key != "unsigned"}


async def state_before(peer, server, room_id: str, event_id: str) -> set[str] | None:
    answer = await peer.request(server, "GET", f"/v1/state_ids/{segment(room_id)}", event_id=event_id)
    assert answer.status in (200, 403, 404), answer.text
    return set(answer.body["pdu_ids"]) if answer.status == 200 else None
