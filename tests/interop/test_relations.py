"""Edits, reactions and redactions."""

import pytest

from harness.rooms import both_see, shared_room
from harness.waiting import eventually

pytestmark = pytest.mark.every_version


async def test_edit(here, there, version):
    """An edit arrives as an event of its own with its relation whole, whichever side edits."""
    alice, bob, room = await shared_room(here, there, version)
    for writer in (alice, bob):
        original = await writer.send(room, "frist")
        await both_see(room, original, alice, bob)
        edit = await writer.send(room, {
            "msgtype": "m.text",
            "body": "* first",
            "m.new_content": {"msgtype": "m.text", "body": "first"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": original},
        })
        for reader in (alice, bob):
            content = (await reader.see_event(room, edit))["content"]
            assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": original}
            assert content["m.new_content"]["body"] == "first"


async def test_reaction(here, there, version):
    """A reaction to the other side's message arrives with its key."""
    alice, bob, room = await shared_room(here, there, version)
    message = await alice.send(room, "shall we?")
    await both_see(room, message, alice, bob)
    relation = {"rel_type": "m.annotation", "event_id": message, "key": "\N{THUMBS UP SIGN}"}
    reaction = await bob.send(room, {"m.relates_to": relation}, "m.reaction")
    for reader in (alice, bob):
        assert (await reader.see_event(room, reaction))["content"]["m.relates_to"] == relation


async def test_redaction(here, there, version):
    """A redacted message has no content on either side, whichever side sent it; the rest of it stays."""
    alice, bob, room = await shared_room(here, there, version)
    for writer in (alice, bob):
        message = await writer.send(room, "regretted")
        await both_see(room, message, alice, bob)
        redaction = await writer.redact(room, message, "better not")
        await both_see(room, redaction, alice, bob)
        for reader in (alice, bob):
            await gone(reader, room, message, redaction)


async def test_moderator_redacts_the_other_server_s_message(here, there, version):
    """A room's maker may redact what the other side wrote."""
    alice, bob, room = await shared_room(here, there, version)
    message = await bob.send(room, "rude")
    await both_see(room, message, alice, bob)
    redaction = await alice.redact(room, message)
    await both_see(room, redaction, alice, bob)
    for reader in (alice, bob):
        await gone(reader, room, message, redaction)


async def test_redaction_of_state(here, there, version):
    """Redacting state leaves what the room version protects: a topic is emptied and still is state."""
    alice, bob, room = await shared_room(here, there, version)
    topic = await alice.set_state(room, "m.room.topic", {"topic": "unspeakable"})
    await both_see(room, topic, alice, bob)
    redaction = await alice.redact(room, topic)
    await both_see(room, redaction, alice, bob)
    for reader in (alice, bob):
        await gone(reader, room, topic, redaction)
        assert await reader.state_content(room, "m.room.topic") == {}


async def gone(reader, room: str, event_id: str, redaction: str) -> None:
    """Waits until the reader's server serves the event without its content, and names the redaction."""

    async def look():
        event = await reader.event(room, event_id)
        assert event["content"] == {}, event
        assert event["unsigned"]["redacted_because"]["event_id"] == redaction, event
        return True

    await eventually(look, f"{event_id} is redacted for {reader.id}")
    page = [event for event in await reader.history(room) if event["event_id"] == event_id]
    assert len(page) == 1 and page[0]["content"] == {}
