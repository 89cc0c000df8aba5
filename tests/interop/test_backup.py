"""A server that is restored from a backup gets back what others have of the time since."""

import asyncio
import shutil

import pytest

from harness.althing import binary
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


async def back_up(server, directory) -> None:
    process = await asyncio.create_subprocess_exec(
        str(binary()), "backup", str(directory), "--config", str(server.folder / "althing.toml"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
