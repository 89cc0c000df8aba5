"""A server that is restored from a backup gets back what others have of the time since."""

import asyncio
import shutil

import pytest

from harness.althing import binary, database
from harness.rooms import both_see, same_state, shared_room
from harness.waiting import eventually


@pytest.mark.parametrize("made", ["left", "right"], ids=["made-left", "made-right"])
@pytest.mark.versions("10", "12")
async def test_a_restored_server_heals(pair, made, version):
    """It has what was said before the backup, gets what others said since, and goes on with the same room."""
    ours, theirs = pair.left, pair.right
    if ours.kind != "althing":
        pytest.skip("it is Althing's backup")
    maker, guest = (ours, theirs) if made == "left" else (theirs, ours)
    one, other, room = await shared_room(maker, guest, version)
    alice, bob = (one, other) if made == "left" else (other, one)
    await both_see(room, await alice.send(room, "before, ours"), alice, bob)
    await both_see(room, await bob.send(room, "before, theirs"), alice, bob)
    copy = ours.folder / f"backup-{version}-{made}"
    await back_up(ours, copy)

    lost = [await alice.send(room, f"since, ours {number}") for number in range(5)]
    since = [await bob.send(room, f"since, theirs {number}") for number in range(30)]
    await both_see(room, lost[-1], alice, bob)
    await both_see(room, since[-1], alice, bob)
    await ours.stop()
    shutil.rmtree(ours.folder / "data")
    shutil.copytree(copy, ours.folder / "data")
    await ours.start()
    await pair.nudge()

    # Their next word shows what we lack, ours among it.
    last = await bob.send(room, "after, theirs")
    await alice.see_event(room, last, limit=60)

    async def healed():
        ids = {event["event_id"] for event in await alice.history(room)}
        return set(since) | set(lost) <= ids

    await eventually(healed, "all that was said since the backup is back", 60)
    await both_see(room, await alice.send(room, "after, ours"), alice, bob)
    await same_state(room, alice, bob)


@pytest.mark.versions("12")
async def test_another_althing_tells_again_what_was_for_devices_alone(pair, version):
    """Messages to a device that came after the backup come back from a server of our kind: nobody else has them."""
    ours, theirs = pair.left, await pair.third_server()
    if ours.kind != "althing" or theirs.kind != "althing":
        pytest.skip("servers of another kind are not asked")
    alice, bob, room = await shared_room(ours, theirs, version)

    async def send(number: int) -> None:
        path = f"/client/v3/sendToDevice/org.example.test/backup-{number}"
        await bob.request("PUT", path, {"messages": {alice.id: {"*": {"number": number}}}})

    async def received(wanted: set[int]) -> bool:
        await alice.sync()
        return wanted <= {event["content"].get("number") for event in alice.view.to_device}

    # It has heard from us that we may ask again.
    await send(0)
    await eventually(lambda: received({0}), "a message to the device")
    await eventually(lambda: asks_again(theirs), "the other keeps what it sends us")
    copy = ours.folder / "backup-devices"
    await back_up(ours, copy)

    for number in range(1, 6):
        await send(number)
    await both_see(room, await bob.send(room, "since"), alice, bob)
    await eventually(lambda: received({1, 2, 3, 4, 5}), "messages to the device")
    await ours.stop()
    shutil.rmtree(ours.folder / "data")
    shutil.copytree(copy, ours.folder / "data")
    await ours.start()
    alice.view.to_device.clear()
    await eventually(lambda: received({1, 2, 3, 4, 5}), "them again, after the restore")


def asks_again(server) -> bool:
    connection = database(server)
    try:
        return connection.execute("SELECT MAX(asks_again) FROM outbound_destinations").fetchone() == (1,)
    finally:
        connection.close()


async def back_up(server, directory) -> None:
    process = await asyncio.create_subprocess_exec(
        str(binary()), "backup", str(directory), "--config", str(server.folder / "althing.toml"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
