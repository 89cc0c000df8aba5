"""Measures both servers at the same work, given by the same scripted peer in the same run. Not part of the tests.

    BENCH_OUT=table.md tests/interop/run -q bench_beside.py
"""

import os
import time
from pathlib import Path

import pytest

from harness.signed import segment
from harness.waiting import eventually
from peer import Peer
from resident import Resident, made_room

MEMBERS = [1_000, 5_000, 20_000]
MESSAGES = 2_000
PDUS = 50
LIMIT = 300


class Row:
    """What is measured, of each kind of server."""

    def __init__(self, what: str):
        self.what = what
        self.measured: dict[str, str] = {}


class Watch:
    """Time on the clock and on the processor, of a server and its children, since it was made."""

    def __init__(self, server):
        self.server = server
        self.began, self.cpu = time.monotonic(), processor_time(server)

    def __str__(self) -> str:
        return f"{time.monotonic() - self.began:.2f} s ({processor_time(self.server) - self.cpu:.2f} s)"


def processor_time(server) -> float:
    fields = Path(f"/proc/{server.process.child.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def resident_mib(server) -> float:
    status = Path(f"/proc/{server.process.child.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


@pytest.mark.asyncio
async def test_the_same_work(pair, world):
    """Joins of rooms whose members are told later, then messages of the room's server, as fast as they are taken."""
    rows = [Row(f"{members} members: {what}") for members in MEMBERS for what in ("joined and spoke", "all members known")]
    rows += [Row(f"{MESSAGES} messages of the room's server taken"), Row("most resident after all that")]
    for server in (pair.left, pair.right):
        results = await measure(server, world)
        for row, result in zip(rows, results, strict=True):
            row.measured[server.kind] = result
    kinds = [server.kind for server in (pair.left, pair.right)]
    lines = [f"| what | {' | '.join(kinds)} |", "| --- |" + " --- |" * len(kinds)]
    lines += [f"| {row.what} | {' | '.join(row.measured[kind] for kind in kinds)} |" for row in rows]
    text = "\n".join(lines) + "\n"
    if path := os.environ.get("BENCH_OUT"):
        Path(path).write_text(text)
    print(f"\n{text}")


async def measure(server, world) -> list[str]:
    results = []
    alice = await server.user("alice")
    for members in MEMBERS:
        peer = Peer(world.fresh_peer_place(), world.authority)
        await peer.start()
        room = made_room(peer, members)
        Resident(peer, room).tell_all()
        watch = Watch(server)
        await alice.join(room.id, via=peer.name)
        await alice.send(room.id, "hello")
        results.append(str(watch))

        async def known():
            answer = await alice.request("GET", f"/client/v3/rooms/{room.id}/joined_members")
            return len(answer["joined"]) == members + 2

        await eventually(known, "all members are known", LIMIT)
        results.append(str(watch))
        if members == MEMBERS[-1]:
            results.append(await take_messages(server, peer, room))
        await peer.stop()
    results.append(f"{resident_mib(server):.0f} MiB")
    return results


async def take_messages(server, peer, room) -> str:
    events = [room.extend("m.room.message", {"msgtype": "m.text", "body": f"number {n}"}) for n in range(MESSAGES)]
    watch = Watch(server)
    for start in range(0, MESSAGES, PDUS):
        answer = await peer.send(server, [event for _, event in events[start : start + PDUS]])
        assert answer.status == 200, answer.text
    last = segment(events[-1][0])

    async def taken():
        return (await peer.request(server, "GET", f"/v1/event/{last}")).status == 200

    await eventually(taken, "the last message is there", LIMIT)
    return str(watch)
