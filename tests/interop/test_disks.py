"""A disk that takes nothing more: a clear error, nothing acknowledged is lost, and no restart when there is space again."""

import shutil
import subprocess
from contextlib import contextmanager

import pytest

from harness.user import MatrixError
from harness.waiting import eventually

# Beyond what the database holds already, in MiB.
SPACE = 4
SOCKETS = shutil.ignore_patterns("*.sock")
LINE = "x" * 20_000


@pytest.fixture
def server(pair):
    server = next((server for server in (pair.left, pair.right) if server.kind == "althing"), None)
    if server is None:
        pytest.skip("it replaces the folder of data of an Althing")
    return server


@contextmanager
def small_disk(folder, mebibytes: int):
    """Puts a file system of its own under a folder, which only this run sees. Yields what changes its size."""
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1024**2 + 1
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    mount("-t", "tmpfs", "-o", f"size={used + mebibytes}m,mode=0700", "interop", str(folder))
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True, ignore=SOCKETS)
        yield lambda more: mount("-o", f"remount,size={used + more}m", str(folder))
        shutil.rmtree(aside)
        shutil.copytree(folder, aside, ignore=SOCKETS)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()
        aside.rename(folder)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


async def test_a_full_disk(server):
    """What cannot be written is refused; it is read all the same; with space again the server goes on by itself."""
    alice = await server.user("alice")
    room = await alice.create_room("11")
    await server.stop()
    with small_disk(server.folder / "data", SPACE) as grow:
        await server.start()
        kept = []
        with pytest.raises(MatrixError) as refused:
            for number in range(1_000):
                kept.append(await alice.send(room, f"{number} {LINE}"))
        assert refused.value.status >= 500 and kept
        assert server.running
        assert kept[-1] in [event["event_id"] for event in (await alice.page(room, ""))["chunk"]], "it is read"
        grow(64)

        async def goes_on():
            try:
                return await alice.send(room, "there is space again")
            except MatrixError:
                return None

        kept.append(await eventually(goes_on, "the server goes on without a restart"))
        await server.kill()
        await server.start()
        history = [event["event_id"] for event in await alice.history(room)]
        assert [event_id for event_id in kept if event_id not in history] == []
        await server.stop()
    await server.start()


async def test_a_disk_that_is_only_read(server):
    """The server says which folder cannot be written, and ends."""
    alice = await server.user("alice")
    room = await alice.create_room("11")
    await server.stop()
    data = server.folder / "data"
    mount("--bind", str(data), str(data))
    mount("-o", "remount,bind,ro", str(data))
    try:
        ended = subprocess.run(server.command(), cwd=server.folder, capture_output=True, text=True, timeout=30)
    finally:
        subprocess.run(["umount", str(data)], check=True)
    assert ended.returncode == 1, ended
    said = ended.stderr.strip().splitlines()[-1]
    assert str(data) in said and "ead-only" in said, ended.stderr
    await server.start()
    await alice.send(room, "all is well")
