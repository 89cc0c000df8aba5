"""A server that the room's ACL denies."""

import pytest
import pytest_asyncio

from harness.signed import segment


@pytest_asyncio.fixture
async def denied(meet, version):
    """A meeting whose peer the room's ACL denies from then on."""
    meeting = await meet(version)
    await meeting.still_works()
    meeting.before_acl = list(meeting.room.extremities)
    acl = {"allow": ["*"], "deny": [meeting.peer.name], "allow_ip_literals": True}
    await meeting.alice.set_state(meeting.room.id, "m.room.server_acl", acl)
    return meeting


def calls(room, event_id: str) -> list[tuple[str, str, dict | None, dict]]:
    """Returns every request that the specification wants refused: method, path, body and query."""
    user, target = segment(room.user), segment(room.id)
    event = segment(event_id)
    leave_id, leave = room.build("m.room.member", {"membership": "leave"}, room.user)
    join_id, join = room.build("m.room.member", {"membership": "join"}, room.user)
    knock_id, knock = room.build("m.room.member", {"membership": "knock"}, room.user)
    missing = {"earliest_events": [], "latest_events": [event_id], "limit": 10}
    return [
        ("GET", f"/v1/make_join/{target}/{user}", None, {"ver": room.version}),
        ("GET", f"/v1/make_leave/{target}/{user}", None, {}),
        ("GET", f"/v1/make_knock/{target}/{user}", None, {"ver": room.version}),
        ("PUT", f"/v1/send_join/{target}/{segment(join_id)}", join, {}),
        ("PUT", f"/v2/send_join/{target}/{segment(join_id)}", join, {}),
        ("PUT", f"/v1/send_leave/{target}/{segment(leave_id)}", leave, {}),
        ("PUT", f"/v2/send_leave/{target}/{segment(leave_id)}", leave, {}),
        ("PUT", f"/v1/send_knock/{target}/{segment(knock_id)}", knock, {}),
        ("GET", f"/v1/state/{target}", None, {"event_id": event_id}),
        ("GET", f"/v1/state_ids/{target}", None, {"event_id": event_id}),
        ("GET", f"/v1/backfill/{target}", None, {"v": event_id, "limit": 5}),
        ("GET", f"/v1/event_auth/{target}/{event}", None, {}),
        ("POST", f"/v1/get_missing_events/{target}", missing, {}),
    ]


async def test_requests_are_forbidden(denied, version):
    """Every endpoint that the specification names is closed to the denied server."""
    room, peer = denied.room, denied.peer
    open_doors = []
    for method, path, body, query in calls(room, denied.before_acl[0]):
        answer = await peer.request(denied.server, method, path, body, **query)
        if (answer.status, answer.code) != (403, "M_FORBIDDEN"):
            open_doors.append((method, path, answer.status, answer.text[:200]))
    assert not open_doors


async def test_invite_is_forbidden(denied, version):
    """The denied server cannot invite a user of ours into the room."""
    bob = await denied.server.user("bob")
    event_id, event = denied.room.build("m.room.member", {"membership": "invite"}, bob.id)
    body = {"room_version": version, "event": event, "invite_room_state": []}
    path = f"/v2/invite/{segment(denied.room.id)}/{segment(event_id)}"
    answer = await denied.peer.request(denied.server, "PUT", path, body)
    assert (answer.status, answer.code) == (403, "M_FORBIDDEN"), answer.text


async def test_pdus_have_errors(denied, version):
    """A denied server's PDU has an error in its entry; one for a room that lets it in goes through."""
    other_room = await denied.alice.create_room(version)
    other = await denied.peer.join(denied.server, other_room, denied.peer.user("mallory2"))
    bad_id, bad = denied.room.message("denied", prev_events=denied.before_acl)
    good_id, good = other.extend("m.room.message", {"msgtype": "m.text", "body": "allowed"})
    answer = await denied.peer.send(denied.server, [bad, good])
    assert answer.status == 200 and answer.body["pdus"][good_id] == {}, answer.text
    assert answer.body["pdus"][bad_id].get("error"), answer.text
    await denied.alice.see_event(other_room, good_id)
    assert denied.alice.view.room(denied.room.id).event(bad_id) is None


@pytest.mark.versions("12")
async def test_edus_are_ignored(denied, version):
    """Typing and receipts of the denied server show nowhere in that room, and do in another one."""
    alice, peer = denied.alice, denied.peer
    mallory = denied.room.user
    open_id = await alice.create_room(version)
    await peer.join(denied.server, open_id, mallory)
    read = {room: await alice.send(room, "read me") for room in (denied.room.id, open_id)}
    edus = []
    for room in (denied.room.id, open_id):
        edus.append({"edu_type": "m.typing", "content": {"room_id": room, "user_id": mallory, "typing": True}})
        receipt = {room: {"m.read": {mallory: {"data": {"ts": 1}, "event_ids": [read[room]]}}}}
        edus.append({"edu_type": "m.receipt", "content": receipt})
    answer = await peer.send(denied.server, [], edus)
    assert answer.status == 200, answer.text

    def arrived(view):
        room = view.room(open_id)
        return mallory in room.typing and mallory in room.receipts.get("m.read", {}).get(read[open_id], ())

    await alice.see(arrived, "typing and receipt in the open room")
    closed = alice.view.room(denied.room.id)
    assert mallory not in closed.typing
    assert mallory not in closed.receipts.get("m.read", {}).get(read[denied.room.id], ())
