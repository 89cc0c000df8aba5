"""A room that nobody here sees any more leaves nothing behind in the database."""

import pytest

from harness.althing import database
from harness.rooms import both_see, settled_join, shared_room
from harness.waiting import eventually

# What these tables hold is not the room's: counters, what other servers were told and what they said, what is asked of them again,
# each with a horizon of its own; names that rooms share; keys and devices of users, who may be seen elsewhere.
NOT_OF_THE_ROOM = {
    "access_tokens",
    "client_transactions",
    "destination_health",
    "device_list_changes",
    "devices",
    "outbound_delivered",
    "outbound_destinations",
    "outbound_transactions",
    "missed",
    "pulls",
    "received_transactions",
    "refresh_tokens",
    "remote_device_lists",
    "remote_devices",
    "server_key_documents",
    "server_keys",
    "staged",
    "state_keys",
    "state_snapshots_purged",
    "streams",
    "subscriptions",
    "unverified",
}


@pytest.mark.versions("2", "12")
async def test_a_forgotten_room_leaves_nothing(pair, made, version):
    """Its last user here leaves and forgets it: afterwards the database holds what it held before."""
    here = pair.left
    if here.kind != "althing":
        pytest.skip("it looks into the database")
    there = pair.right
    maker, guest = (here, there) if made == "left" else (there, here)
    # The users exist, and are known to each other's servers, before anything is compared.
    one, other, kept = await shared_room(maker, guest, version)
    await both_see(kept, await one.send(kept, "kept"), one, other)
    await here.stop()
    before = dump(here)
    await here.start()

    await one.sync()
    await other.sync()
    room = await one.create_room(version)
    await other.join(room, via=maker.name)
    await settled_join(room, other, one)
    for number in range(20):
        await one.set_state(room, "m.room.topic", {"topic": f"{number}"})
        await one.send(room, f"one {number}")
        last = await other.send(room, f"other {number}")
    await one.redact(room, last)
    await both_see(room, await one.send(room, "the last"), one, other)
    alice = one if maker is here else other
    await alice.nio.update_receipt_marker(room, last)
    await alice.leave(room)
    await alice.forget(room)
    await eventually(lambda: is_gone(here, room), "the room is purged", 60)

    await here.stop()
    after = dump(here)
    await here.start()
    assert before.keys() == after.keys()
    for table in before.keys() - NOT_OF_THE_ROOM:
        assert before[table] == after[table], f"{table} has other rows"
    mentioned = [table for table, rows in after.items() if any(room in str(row) for row in rows)]
    assert set(mentioned) <= {"client_transactions"}
    # Both servers go on.
    await both_see(kept, await one.send(kept, "still there"), one, other)


def dump(server) -> dict[str, list]:
    """All rows of all tables, but for the rows that keep numbers from being given again."""
    connection = database(server)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    rows["events"] = [row for row in rows["events"] if row[1] != 0]
    # How often something was tried for other rooms is no matter.
    rows["partial_rooms"] = [row[:2] for row in rows["partial_rooms"]]
    rows["rooms"] = [row for row in rows["rooms"] if not row[1].startswith("!purged-")]
    connection.close()
    return rows


async def is_gone(server, room: str) -> bool:
    connection = database(server)
    try:
        (rooms,) = connection.execute("SELECT COUNT(*) FROM rooms WHERE room_id = ?", (room,)).fetchone()
        (purges,) = connection.execute("SELECT COUNT(*) FROM purges").fetchone()
        return rooms == 0 and purges == 0
    finally:
        connection.close()
