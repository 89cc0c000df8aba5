"""Aliases of other servers."""

import pytest

from harness.user import MatrixError, check
from harness.waiting import eventually


async def test_alias_of_the_other_server_resolves(here, there, made):
    """A client asks its own server for an alias of the other and learns the room and a server in it."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room("12", alias=alice.localpart)
    answer = check(await bob.nio.room_resolve_alias(f"#{alice.localpart}:{here.name}"))
    assert answer.room_id == room
    assert here.name in answer.servers


async def test_unknown_alias_is_not_found(here, there, made):
    """An alias that the other server does not have is not found."""
    bob = await there.user("bob")
    with pytest.raises(MatrixError) as missing:
        check(await bob.nio.room_resolve_alias(f"#nothing:{here.name}"))
    assert (missing.value.status, missing.value.code) == (404, "M_NOT_FOUND")


async def test_removed_alias_is_not_found(here, there, made):
    """An alias that was removed resolves no longer, on either side."""
    alice, bob = await here.user("alice"), await there.user("bob")
    room = await alice.create_room("12")
    alias = f"#{alice.localpart}:{here.name}"
    check(await alice.nio.room_put_alias(alias, room))
    assert check(await bob.nio.room_resolve_alias(alias)).room_id == room
    check(await alice.nio.room_delete_alias(alias))

    async def gone():
        for user in (alice, bob):
            with pytest.raises(MatrixError) as missing:
                check(await user.nio.room_resolve_alias(alias))
            assert missing.value.code == "M_NOT_FOUND"
        return True

    await eventually(gone, "the alias is gone")
