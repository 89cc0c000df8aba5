"""Messages in both directions."""

import asyncio

import pytest

from harness.rooms import same_state, shared_room

pytestmark = pytest.mark.every_version

EACH = 100


async def test_200_messages_interleaved(here, there, version):
    """Both sides send at the same time; everything arrives everywhere, each sender's messages in order."""
    alice, bob, room = await shared_room(here, there, version)
    await asyncio.gather(send_many(alice, room), send_many(bob, room))
    for reader in (alice, bob):
        await reader.see(lambda view: len(view.room(room).bodies()) >= 2 * EACH, "all messages")
        for sender in (alice, bob):
            assert reader.view.room(room).bodies(sender.id) == texts(sender), f"{reader.id} reads {sender.id}"
    await same_state(room, alice, bob)


@pytest.mark.versions("6", "12")
async def test_history_is_the_same_on_both_sides(here, there, version):
    """/messages gives the same events on both sides, none twice."""
    alice, bob, room = await shared_room(here, there, version)
    for number in range(5):
        last = await (alice if number % 2 else bob).send(room, f"message {number}")
        await alice.see_event(room, last)
        await bob.see_event(room, last)
    left, right = [[event["event_id"] for event in await user.history(room)] for user in (alice, bob)]
    assert len(set(left)) == len(left) and len(set(right)) == len(right)
    assert set(left) == set(right)
    assert left[-5:] == right[-5:]


@pytest.mark.versions("6", "12")
async def test_event_is_the_same_on_both_sides(here, there, version):
    """/event shows an event alike on both sides, apart from what each server adds of its own."""
    alice, bob, room = await shared_room(here, there, version)
    content = {"msgtype": "m.text", "body": "héllo \U0001f9c0", "n": 9007199254740991, "nested": {"a": [None, True]}}
    sent = await alice.send(room, content)
    await bob.see_event(room, sent)
    ours, theirs = await alice.event(room, sent), await bob.event(room, sent)
    for event in (ours, theirs):
        event.pop("unsigned", None)
        event.pop("age", None)
        # What Synapse keeps for clients from before 2015: the sender again.
        event.pop("user_id", None)
    assert ours["content"] == content
    assert ours == theirs


async def send_many(user, room: str) -> None:
    for text in texts(user):
        await user.send(room, text)


def texts(user) -> list[str]:
    return [f"{user.localpart} {number}" for number in range(EACH)]
