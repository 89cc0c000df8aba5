"""A room that the scripted peer has made, with many members, into which it lets others."""

import asyncio

from aiohttp import web

from peer import Peer
from peer_room import PeerRoom

VERSION = "11"


def membership(state: str = "join") -> dict:
    return {"membership": state}


def made_room(peer: Peer, members: int) -> PeerRoom:
    """A public room of the peer with so many members beside its maker."""
    maker = peer.user("maker")
    room = PeerRoom(peer, f"!room{len(peer.rooms)}:{peer.name}", VERSION, maker)
    room.extend("m.room.create", {"room_version": VERSION}, "", prev_events=[], auth_events=[])
    room.extend("m.room.member", membership(), maker)
    room.extend("m.room.power_levels", {"users": {maker: 100}}, "")
    room.extend("m.room.join_rules", {"join_rule": "public"}, "")
    for number in range(members):
        room.user = peer.user(f"member{number}")
        event_id, event = room.build("m.room.member", membership(), room.user)
        # As `take`, without keeping the state before each: nobody asks for those.
        room.add(event)
        room.state["m.room.member", room.user] = event_id
        room.extremities, room.depth = [event_id], event["depth"]
    room.user = maker
    peer.rooms[room.id] = room
    return room


class Resident:
    """Lets others into a room of the peer. What it tells of the members is for the test to say: `nothing`, `half` or `all`."""

    def __init__(self, peer: Peer, room: PeerRoom):
        self.peer, self.room = peer, room
        self.telling = "nothing"
        self.released = asyncio.Event()
        # The state before our event stays the same whatever comes after it: it is written once.
        self.whole: dict[str, bytes] = {}
        peer.override("/make_join/", self.make_join)
        peer.override("/send_join/", self.send_join)
        peer.override("/v1/state/", self.state)
        peer.override("/v1/state_ids/", self.state_ids)

    def tell_all(self) -> None:
        self.telling = "all"
        self.released.set()

    async def make_join(self, request):
        user = request.path.split("/")[-1]
        room, maker = self.room, self.room.user
        room.user = user
        _, event = room.build("m.room.member", membership(), user)
        room.user = maker
        template = {key: value for key, value in event.items() if key not in ("hashes", "signatures")}
        return web.json_response({"room_version": room.version, "event": template})

    async def send_join(self, request):
        assert request.query.get("omit_members") == "true"
        event, room = await request.json(), self.room
        state = [i for (kind, _), i in room.state.items() if kind != "m.room.member"]
        room.take(event)
        chain = [i for i in room.auth_chain([*state, room.extremities[0]]) if i not in state]
        answer = {
            "event": event,
            "state": [room.events[i] for i in state],
            "auth_chain": [room.events[i] for i in chain],
            "members_omitted": True,
            "servers_in_room": [self.peer.name],
        }
        return web.json_response(answer)

    async def state_ids(self, request):
        if self.telling == "nothing":
            return web.json_response({"errcode": "M_UNKNOWN", "error": "not now"}, status=503)
        return await self.peer.answer_state_ids(request, self.room.id)

    async def state(self, request):
        event_id = request.query["event_id"]
        if event_id not in self.whole:
            self.whole[event_id] = (await self.peer.answer_state(request, self.room.id)).body
        whole = self.whole[event_id]
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(whole))})
        await response.prepare(request)
        await response.write(whole[: len(whole) // 2])
        if self.telling == "half":
            # The second half never comes.
            await self.released.wait()
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write(whole[len(whole) // 2 :])
        return response
