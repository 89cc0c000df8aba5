"""Users who encrypt, with matrix-nio's own implementation of Olm and Megolm."""

import nio

from harness.user import PASSWORD, User, check
from harness.waiting import eventually


async def test_encrypted_conversation(pair, tmp_path):
    """Each decrypts what the other sent; the server sees none of it."""
    alice, bob = [await encrypting_user(pair.left, name, tmp_path) for name in ("alice", "bob")]
    room = await encrypted_room(alice, bob)
    await conversation(room, alice, bob)


async def test_encrypted_conversation_between_servers(pair, tmp_path):
    """Keys are queried and claimed, and room keys sent, over federation, in both directions."""
    alice = await encrypting_user(pair.left, "alice", tmp_path)
    bob = await encrypting_user(pair.right, "bob", tmp_path)
    await conversation(await encrypted_room(alice, bob), alice, bob)
    await conversation(await encrypted_room(bob, alice), bob, alice)


async def test_new_and_deleted_devices_are_known_on_the_other_server(pair, tmp_path):
    """Whoever shares a room learns of each device that comes or goes, on both sides."""
    alice = await encrypting_user(pair.left, "alice", tmp_path)
    bob = await encrypting_user(pair.right, "bob", tmp_path)
    await encrypted_room(alice, bob)
    for owner, watcher in ((alice, bob), (bob, alice)):
        first = owner.nio.device_id
        await eventually(lambda: knows(watcher, owner, {first}), f"{watcher.id} knows the first device of {owner.id}")
        second = await second_device(owner, tmp_path)
        both = {first, second.nio.device_id}
        await eventually(lambda: knows(watcher, owner, both), f"{watcher.id} learns of the second device")
        check(await second.nio.logout())
        await second.close()
        await eventually(lambda: knows(watcher, owner, {first}), f"{watcher.id} learns that it is gone")


async def test_messages_to_devices_survive_a_cut_link(pair):
    """What was sent while the other server could not be reached arrives later, once, and in order."""
    alice, bob = await pair.left.user("alice"), await pair.right.user("bob")
    numbers = list(range(3))
    for sender, receiver in ((alice, bob), (bob, alice)):
        await pair.cut()
        for number in numbers:
            for _ in range(2):
                path = f"/client/v3/sendToDevice/org.example.test/{number}"
                messages = {receiver.id: {"*": {"number": number}}}
                await sender.request("PUT", path, {"messages": messages})
        await pair.mend()
        seen = []

        async def all_arrived():
            events = (await receiver.sync()).get("to_device", {}).get("events", [])
            seen.extend(event for event in events if event["type"] == "org.example.test")
            return len(seen) >= len(numbers)

        await eventually(all_arrived, f"{receiver.id} gets the messages", 120)
        assert [event["content"]["number"] for event in seen] == numbers
        assert {event["sender"] for event in seen} == {sender.id}


async def second_device(owner, tmp_path):
    """Logs the same user in again, on a device that uploads its keys."""
    store = tmp_path / f"{owner.localpart}-second"
    store.mkdir()
    second = User(owner.nio.homeserver, owner.server, owner.localpart, store=str(store), encrypted=True)
    check(await second.nio.login(PASSWORD, device_name="second"))
    await turn(second)
    return second


async def knows(watcher, owner, expected) -> bool:
    """Does what a client does when it is told of changed devices, and compares what it knows then."""
    await turn(watcher)
    known = {device.id for device in watcher.nio.device_store.active_user_devices(owner.id)}
    assert known == expected
    return True


async def encrypting_user(server, name, tmp_path):
    store = tmp_path / name
    store.mkdir()
    user = await server.user(name, store=str(store), encrypted=True)
    await turn(user)
    return user


async def encrypted_room(maker, guest) -> str:
    """Makes an encrypted room with both in it, and waits until both know that."""
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    room = await maker.create_room("12", public=False, initial_state=[encryption], invite=[guest.id])
    await guest.see_membership(room, "invite")
    await guest.join(room)

    async def knows_members():
        for user in (maker, guest):
            await turn(user)
            members = user.nio.rooms.get(room)
            assert members is not None and members.encrypted and {maker.id, guest.id} <= set(members.users)
        return True

    await eventually(knows_members, "both know the room, its members and that it is encrypted")
    return room


async def conversation(room, alice, bob):
    for writer, reader in ((alice, bob), (bob, alice)):
        text = f"a secret of {writer.localpart}"
        sent = check(
            await writer.nio.room_send(
                room, "m.room.message", {"msgtype": "m.text", "body": text}, ignore_unverified_devices=True
            )
        ).event_id
        decrypted = await eventually(lambda: reads(reader, room, sent), f"{reader.id} decrypts {sent}")
        assert decrypted == text
        stored = await reader.event(room, sent)
        assert stored["type"] == "m.room.encrypted"
        assert text not in str(stored)


async def turn(user) -> nio.SyncResponse:
    """Syncs once and does what the answer asks an encrypting client to do: upload, query and claim keys."""
    answer = check(await user.nio.sync(timeout=1_000, full_state=not user.nio.next_batch))
    if user.nio.should_upload_keys:
        check(await user.nio.keys_upload())
    if user.nio.should_query_keys:
        check(await user.nio.keys_query())
    if user.nio.should_claim_keys:
        check(await user.nio.keys_claim(user.nio.get_users_for_key_claiming()))
    await user.nio.send_to_device_messages()
    events = [event for room in answer.rooms.join.values() for event in room.timeline.events]
    user.decrypted = getattr(user, "decrypted", {}) | {
        event.event_id: event.body for event in events if isinstance(event, nio.RoomMessageText) and event.decrypted
    }
    return answer


async def reads(user, room: str, event_id: str) -> str | None:
    await turn(user)
    return user.decrypted.get(event_id)
