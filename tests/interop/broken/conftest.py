"""The tests of what arrives broken: each asks the left server, which is Althing, for what the design promises.

Synapse answers some of this otherwise. `--broken-anyway` runs the tests against it all the same, which shows that what
the peer sends arrives as it is meant to.
"""

from dataclasses import dataclass

import pytest
import pytest_asyncio

from harness.homeserver import Homeserver
from harness.user import User
from peer import Peer
from peer_room import PeerRoom


@dataclass
class Meeting:
    """A room of alice's on the server, which the peer's mallory has joined."""

    server: Homeserver
    alice: User
    peer: Peer
    room: PeerRoom

    async def still_works(self) -> str:
        """Shows that the room goes on after whatever was sent; returns the id of the message that shows it."""
        event_id, event = self.room.extend("m.room.message", {"msgtype": "m.text", "body": "all is well"})
        answer = await self.peer.send(self.server, [event])
        assert answer.status == 200 and answer.body["pdus"] == {event_id: {}}, answer.text
        await self.alice.see_event(self.room.id, event_id)
        return event_id

    async def is_hidden(self, event_id: str) -> None:
        """Shows that the event was not taken: a later one is in the timeline, and it is not."""
        await self.still_works()
        assert self.alice.view.room(self.room.id).event(event_id) is None
        assert event_id not in {event["event_id"] for event in await self.alice.history(self.room.id)}


@pytest.fixture
def server(pair, request) -> Homeserver:
    """The server that gets what is broken."""
    if pair.left.kind != "althing" and not request.config.option.broken_anyway:
        pytest.skip("asks for what Althing's design promises")
    return pair.left


@pytest_asyncio.fixture
async def meet(server, peer):
    """Returns a function that makes a `Meeting` in a room of the version."""

    async def make(version: str, **options) -> Meeting:
        alice = await server.user("alice")
        room_id = await alice.create_room(version, **options)
        room = await peer.join(server, room_id, peer.user("mallory"))
        return Meeting(server, alice, peer, room)

    return make
