"""Two users of the left server who encrypt, with matrix-nio's own implementation of Olm and Megolm."""

import nio

from harness.user import check
from harness.waiting import eventually


async def test_encrypted_conversation(pair, tmp_path):
    """Each decrypts what the other sent; the server sees none of it."""
    users = []
    for name in ("alice", "bob"):
        store = tmp_path / name
        store.mkdir()
        user = await pair.left.user(name, store=str(store), encrypted=True)
        await turn(user)
        users.append(user)
    alice, bob = users
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    room = await alice.create_room("12", public=False, initial_state=[encryption], invite=[bob.id])
    await bob.see_membership(room, "invite")
    await bob.join(room)

    async def knows_members():
        for user in users:
            await turn(user)
            members = user.nio.rooms.get(room)
            assert members is not None and members.encrypted and {alice.id, bob.id} <= set(members.users)
        return True

    await eventually(knows_members, "both know the room, its members and that it is encrypted")
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
