"""Transactions and events that are broken."""

import copy

import pytest
import signedjson.key

import peer_events
from harness.waiting import eventually

PDUS_MAX = 50
EDUS_MAX = 100


@pytest.mark.versions("12")
async def test_too_many_pdus(meet, version):
    """One PDU too many, and the whole transaction is refused."""
    meeting = await meet(version)
    events = [meeting.room.message(f"{n}") for n in range(PDUS_MAX + 1)]
    answer = await meeting.peer.send(meeting.server, [event for _, event in events])
    assert answer.status == 400, answer.text
    await meeting.is_hidden(events[0][0])


@pytest.mark.versions("12")
async def test_too_many_edus(meet, version):
    """One EDU too many, and the whole transaction is refused, PDUs included."""
    meeting = await meet(version)
    event_id, event = meeting.room.message("in bad company")
    edu = {"edu_type": "m.interop", "content": {}}
    answer = await meeting.peer.send(meeting.server, [event], [edu] * (EDUS_MAX + 1))
    assert answer.status == 400, answer.text
    await meeting.is_hidden(event_id)


@pytest.mark.versions("12")
async def test_as_many_as_allowed(meet, version):
    """Fifty PDUs and a hundred EDUs are taken."""
    meeting = await meet(version)
    events = [meeting.room.extend("m.room.message", {"msgtype": "m.text", "body": f"{n}"}) for n in range(PDUS_MAX)]
    edu = {"edu_type": "m.interop", "content": {}}
    answer = await meeting.peer.send(meeting.server, [event for _, event in events], [edu] * EDUS_MAX)
    assert answer.status == 200 and answer.body["pdus"] == {event_id: {} for event_id, _ in events}, answer.text
    await meeting.alice.see_event(meeting.room.id, events[-1][0])


async def test_pdu_without_an_id(meet, version):
    """What no event id can be computed for is skipped without an entry; the event beside it is taken."""
    meeting = await meet(version)
    unknown_room = {**meeting.room.message("lost")[1], "room_id": "!nowhere:interop.test"}
    no_room = {key: value for key, value in meeting.room.message("nowhere")[1].items() if key != "room_id"}
    event_id, good = meeting.room.extend("m.room.message", {"msgtype": "m.text", "body": "good"})
    answer = await meeting.peer.send(meeting.server, [unknown_room, no_room, "no object", 7, None, good])
    assert answer.status == 200 and answer.body["pdus"] == {event_id: {}}, answer.text
    await meeting.alice.see_event(meeting.room.id, event_id)


def forged(room, peer) -> dict:
    """Signed with a key that is not the server's, under the name of the key that is."""
    event = {key: value for key, value in room.message("forged")[1].items() if key != "signatures"}
    key = signedjson.key.generate_signing_key(peer.key.version)
    return peer_events.sign_event(event, room.version, peer.name, key)


FAULTS = {
    "bad-signature": forged,
    "unsigned": lambda room, peer: {**room.message("unsigned")[1], "signatures": {}},
    "content-no-object": lambda room, peer: room.build("m.room.message", "text")[1],
    "sender-no-text": lambda room, peer: room.sign({**room.message("x")[1], "sender": 5, "signatures": {}}),
    "depth-no-number": lambda room, peer: room.message("x", depth="deep")[1],
    "prev-events-no-list": lambda room, peer: room.message("x", prev_events={})[1],
    "float": lambda room, peer: {**room.message("x")[1], "content": {"body": "x", "n": 1.5}},
    "too-many-prev-events": lambda room, peer: room.message("x", prev_events=["$" + f"{n:043}" for n in range(21)])[1],
    "too-many-auth-events": lambda room, peer: room.message("x", auth_events=["$" + f"{n:043}" for n in range(11)])[1],
    "too-large": lambda room, peer: room.message("x" * 66_000)[1],
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_bad_pdu_among_good_ones(meet, version, fault):
    """A PDU of a known room with a bad signature or format has an error in its entry; its neighbours are taken."""
    meeting = await meet(version)
    room = meeting.room
    bad = FAULTS[fault](room, meeting.peer)
    first_id, first = room.extend("m.room.message", {"msgtype": "m.text", "body": "before"})
    last_id, last = room.extend("m.room.message", {"msgtype": "m.text", "body": "after"})
    answer = await meeting.peer.send(meeting.server, [first, bad, last])
    assert answer.status == 200, answer.text
    entries = dict(answer.body["pdus"])
    assert entries.pop(first_id) == {} and entries.pop(last_id) == {}, answer.text
    assert all(entry.get("error") for entry in entries.values()), answer.text
    # What is no canonical JSON has no id; of what has no content to redact one may compute it or not.
    assert len(entries) in {"float": (0,), "content-no-object": (0, 1)}.get(fault, (1,)), answer.text
    await meeting.alice.see_event(room.id, last_id)
    bodies = [body for body in meeting.alice.view.room(room.id).bodies() if body is not None]
    assert bodies == ["before", "after"]


async def test_rejected_event(meet, version):
    """An event that the rules of authorisation forbid is no error of the transaction, and nobody sees it."""
    meeting = await meet(version)
    before = await meeting.alice.state_content(meeting.room.id, "m.room.topic")
    event_id, event = meeting.room.build("m.room.topic", {"topic": "usurped"}, "")
    answer = await meeting.peer.send(meeting.server, [event])
    assert answer.status == 200 and answer.body["pdus"] == {event_id: {}}, answer.text
    await meeting.is_hidden(event_id)
    assert await meeting.alice.state_content(meeting.room.id, "m.room.topic") == before


async def test_soft_failed_event(meet, version):
    """An event of one who was banned meanwhile, built upon the time before, succeeds and is seen by nobody."""
    meeting = await meet(version)
    room = meeting.room
    await meeting.still_works()
    event_id, event = room.message("from before the ban")
    await meeting.alice.request(
        "POST", f"/client/v3/rooms/{room.id}/ban", {"user_id": room.user, "reason": "interop"}
    )
    answer = await meeting.peer.send(meeting.server, [event])
    assert answer.status == 200 and answer.body["pdus"] == {event_id: {}}, answer.text
    after = await meeting.alice.send(room.id, "after the ban")
    await meeting.alice.see_event(room.id, after)
    assert meeting.alice.view.room(room.id).event(event_id) is None
    assert event_id not in {event["event_id"] for event in await meeting.alice.history(room.id)}


async def test_content_hash_mismatch(meet, version):
    """An event whose content is not what its hash says is taken redacted."""
    meeting = await meet(version)
    event_id, event = meeting.room.message("true words")
    changed = copy.deepcopy(event)
    changed["content"]["body"] = "false words"
    assert peer_events.event_id(changed, version) == event_id
    answer = await meeting.peer.send(meeting.server, [changed])
    assert answer.status == 200 and answer.body["pdus"] == {event_id: {}}, answer.text
    seen = await meeting.alice.see_event(meeting.room.id, event_id)
    assert seen["content"] == {}


SIZES = {
    # Characters beyond the limit, and bytes alone beyond it: 200 characters of two bytes.
    "codepoints": "i." + "x" * 254,
    "bytes": "i." + "é" * 200,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("field", ["type", "state_key"])
async def test_ids_beyond_255(meet, version, field, size):
    """Too many codepoints, and the event is dropped; too many bytes only, and up to version 10 it is rejected."""
    meeting = await meet(version, power_level_override={"state_default": 0})
    long = SIZES[size]
    if field == "type":
        event_id, event = meeting.room.build(long, {"fact": 1})
    else:
        event_id, event = meeting.room.build("interop.fact", {"fact": 1}, long)
    answer = await meeting.peer.send(meeting.server, [event])
    assert answer.status == 200, answer.text
    if size == "bytes" and int(version) <= 10:
        assert answer.body["pdus"] == {event_id: {}}, answer.text
    await meeting.is_hidden(event_id)
    assert ("interop.fact", long) not in await meeting.alice.state(meeting.room.id)


async def test_missing_events_that_nobody_has(meet, version):
    """The effort to find what is missing is bounded, the room goes on, and the event waits for its ancestors."""
    meeting = await meet(version)
    room, peer = meeting.room, meeting.peer
    ancestors = [room.build("m.room.message", {"msgtype": "m.text", "body": "withheld"})]
    late_id, late = room.message("orphan", prev_events=[ancestors[0][0]])
    before = len(peer.requests)
    answer = await peer.send(meeting.server, [late])
    assert answer.status == 200 and answer.body["pdus"] == {late_id: {}}, answer.text
    await meeting.is_hidden(late_id)
    questions = [path for _, path in peer.requests[before:] if "/send/" not in path]
    assert len(questions) < 50, questions

    room.take(ancestors[0][1])
    room.take(late)
    await meeting.alice.see_event(room.id, late_id, limit=180)


async def test_missing_auth_events_are_fetched(meet, version):
    """An event that rests on an auth event the server lacks is judged once the sender has answered for it."""
    meeting = await meet(version)
    room, peer = meeting.room, meeting.peer
    renamed_id, renamed = room.extend(
        "m.room.member", {"membership": "join", "displayname": "Mallory"}, room.user
    )
    last_id, last = room.extend("m.room.message", {"msgtype": "m.text", "body": "under a new name"})
    assert renamed_id in last["auth_events"]
    answer = await peer.send(meeting.server, [last])
    assert answer.status == 200, answer.text
    seen = await meeting.alice.see_event(room.id, last_id)
    assert seen["content"]["body"] == "under a new name"
    await eventually(lambda: meeting.alice.event(room.id, renamed_id), "the auth event is known")
