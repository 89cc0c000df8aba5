"""What many scenarios need of a room: two members on two servers, and comparisons of what both sides know."""

from harness.homeserver import Homeserver
from harness.user import User
from harness.view import RoomView
from harness.waiting import LIMIT, eventually


async def shared_room(
    here: Homeserver, there: Homeserver, version: str, here_user: User | None = None, **options
) -> tuple[User, User, str]:
    """Makes a room of alice's on `here` that bob of `there` has joined; both have seen his join."""
    alice, bob = here_user or await here.user("alice"), await there.user("bob")
    room = await alice.create_room(version, **options)
    await bob.join(room, via=here.name)
    await settled_join(room, bob, alice)
    return alice, bob, room


async def settled_join(room: str, joiner: User, witness: User) -> None:
    """Waits until the join is known on both sides and the joiner's server has the whole state.

    Synapse answers /join before it knows all members; /state waits for that.
    """
    await see_member(witness, room, joiner, "join")
    await joiner.see_membership(room, "join")
    await joiner.state(room)


async def see_member(witness: User, room: str, user: User, membership: str, limit: float = LIMIT) -> dict:
    """Waits until the witness's last news of `user` is `membership`; returns that event."""

    def found(view):
        event = last_member_event(view.room(room), user.id)
        return event if event and event["content"]["membership"] == membership else None

    return await witness.see(found, f"{membership} of {user.id} in {room}", limit)


def last_member_event(room: RoomView, user_id: str) -> dict | None:
    return next(
        (
            event
            for event in reversed(room.timeline)
            if event["type"] == "m.room.member" and event.get("state_key") == user_id
        ),
        None,
    )


async def same_state(room: str, *users: User, limit: float = LIMIT) -> dict[tuple[str, str], str]:
    """Waits until /state shows the same events to all users; returns them: (type, state key) to event id."""

    async def compare():
        states = [ids(await user.state(room)) for user in users]
        for user, state in zip(users[1:], states[1:]):
            differing = {key: (states[0].get(key), state.get(key)) for key in states[0].keys() | state.keys()
                         if states[0].get(key) != state.get(key)}
            assert not differing, f"{users[0].id} and {user.id} differ: {differing}"
        return states[0]

    return await eventually(compare, f"the same state of {room} on all sides", limit)


async def both_see(room: str, event_id: str, *users: User) -> None:
    """Waits until the event is in everybody's timeline."""
    for user in users:
        await user.see_event(room, event_id)


def ids(state: dict[tuple[str, str], dict]) -> dict[tuple[str, str], str]:
    return {key: event["event_id"] for key, event in state.items()}
