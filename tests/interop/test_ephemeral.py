"""Typing notifications and receipts."""

import pytest

from harness.rooms import both_see, shared_room
from harness.user import check

# These do not depend on the room's version.
pytestmark = pytest.mark.versions("6", "12")


async def test_typing(here, there, version):
    """Typing shows on the other side, and so does stopping."""
    alice, bob, room = await shared_room(here, there, version)
    for writer, reader in ((alice, bob), (bob, alice)):
        check(await writer.nio.room_typing(room, True, timeout=30_000))
        await reader.see(lambda view: writer.id in view.room(room).typing, f"{writer.id} typing")
        check(await writer.nio.room_typing(room, False))
        await reader.see(lambda view: writer.id not in view.room(room).typing, f"{writer.id} no longer typing")


async def test_receipts(here, there, version):
    """A read receipt shows on the other side at its event, and moves with the reader."""
    alice, bob, room = await shared_room(here, there, version)
    for writer, reader in ((alice, bob), (bob, alice)):
        for number in range(2):
            event = await writer.send(room, f"read me {number}")
            await both_see(room, event, alice, bob)
            check(await reader.nio.update_receipt_marker(room, event))
            await writer.see(
                lambda view: reader.id in view.room(room).receipts.get("m.read", {}).get(event, ()),
                f"receipt of {reader.id} at {event}",
            )


async def test_private_receipts_stay_home(here, there, version):
    """A private receipt never leaves its server: a public one sent after it arrives, and it does not."""
    alice, bob, room = await shared_room(here, there, version)
    first = await alice.send(room, "read silently")
    await both_see(room, first, alice, bob)
    await bob.request("POST", f"/client/v3/rooms/{room}/receipt/m.read.private/{first}", {})
    second = await alice.send(room, "read openly")
    await both_see(room, second, alice, bob)
    check(await bob.nio.update_receipt_marker(room, second))
    await alice.see(
        lambda view: bob.id in view.room(room).receipts.get("m.read", {}).get(second, ()), "the public receipt"
    )
    assert "m.read.private" not in alice.view.room(room).receipts
    assert bob.id not in alice.view.room(room).receipts["m.read"].get(first, ())
