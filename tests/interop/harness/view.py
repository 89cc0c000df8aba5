"""What a client has seen of its rooms, collected from the answers of /sync."""

from dataclasses import dataclass, field


@dataclass
class RoomView:
    """One room as a client knows it. `timeline` has the events in the order of /sync, without gaps."""

    id: str
    membership: str | None = None
    timeline: list[dict] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    stripped: list[dict] = field(default_factory=list)
    typing: list[str] = field(default_factory=list)
    # Event id to the users whose receipt stands there, for each kind of receipt.
    receipts: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    gap_at: int = 0

    def event(self, event_id: str) -> dict | None:
        return next((event for event in self.timeline if event["event_id"] == event_id), None)

    def bodies(self, sender: str | None = None) -> list[str]:
        """Returns the texts of the messages, of one sender or of all."""
        return [
            event["content"].get("body")
            for event in self.timeline
            if event["type"] == "m.room.message" and sender in (None, event["sender"])
        ]

    def append(self, events: list[dict]) -> None:
        for event in events:
            if event["event_id"] not in self.known:
                self.known.add(event["event_id"])
                self.timeline.append(event)

    def insert_missed(self, events: list[dict]) -> None:
        """Puts what a gap had left out where it belongs."""
        self.timeline[self.gap_at : self.gap_at] = events
        self.known.update(event["event_id"] for event in events)

    def take_ephemeral(self, event: dict) -> None:
        if event["type"] == "m.typing":
            self.typing = event["content"]["user_ids"]
        elif event["type"] == "m.receipt":
            for event_id, kinds in event["content"].items():
                for kind, users in kinds.items():
                    self.receipts.setdefault(kind, {}).setdefault(event_id, set()).update(users)


class View:
    """All rooms that a client has seen."""

    def __init__(self):
        self.rooms: dict[str, RoomView] = {}
        self.to_device: list[dict] = []

    def room(self, room_id: str) -> RoomView:
        return self.rooms.setdefault(room_id, RoomView(room_id))

    def take(self, body: dict) -> list[tuple[RoomView, str]]:
        """Collects a /sync answer; returns the rooms whose timeline has a gap, with the token to fill it from."""
        self.to_device += body.get("to_device", {}).get("events", [])
        rooms = body.get("rooms", {})
        gaps = []
        for membership in ("join", "leave"):
            for room_id, answer in rooms.get(membership, {}).items():
                room = self.room(room_id)
                room.membership = membership
                timeline = answer.get("timeline", {})
                room.gap_at = len(room.timeline)
                room.append(timeline.get("events", []))
                if timeline.get("limited") and timeline.get("prev_batch"):
                    gaps.append((room, timeline["prev_batch"]))
                for event in answer.get("ephemeral", {}).get("events", []):
                    room.take_ephemeral(event)
        for membership in ("invite", "knock"):
            for room_id, answer in rooms.get(membership, {}).items():
                room = self.room(room_id)
                room.membership = membership
                room.stripped = answer.get(f"{membership}_state", {}).get("events", [])
        return gaps
