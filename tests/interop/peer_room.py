"""A room as the scripted peer knows it: the events it was given and those it made, and the state of the moment."""

import time
from typing import TYPE_CHECKING

import peer_events

if TYPE_CHECKING:
    from peer import Peer

MISSING_EVENTS_MAX = 20


class PeerRoom:
    """Builds signed events on top of a room that the peer's `user` has joined."""

    def __init__(self, peer: "Peer", room_id: str, version: str, user: str):
        self.peer = peer
        self.id = room_id
        self.version = version
        self.user = user
        self.events: dict[str, dict] = {}
        self.state: dict[tuple[str, str], str] = {}
        # The state before each event of ours, for those who ask.
        self.states: dict[str, dict[tuple[str, str], str]] = {}
        self.extremities: list[str] = []
        self.depth = 1

    def add(self, event: dict) -> str:
        event_id = peer_events.event_id(event, self.version)
        self.events[event_id] = self.peer.events[event_id] = event
        return event_id

    def sign_template(self, template: dict) -> tuple[str, dict]:
        """Completes a template of make_join; returns the event and its id."""
        event = {**template, "origin_server_ts": int(time.time() * 1000)}
        for key in ("hashes", "signatures", "unsigned", "event_id"):
            event.pop(key, None)
        if self.version in peer_events.CHOSEN_IDS:
            event["event_id"] = peer_events.chosen_id(self.peer.name)
        event = self.sign(event)
        return peer_events.event_id(event, self.version), event

    def take_join(self, answer: dict, ours: dict) -> None:
        """Takes the state that send_join answered, and our join upon it."""
        for event in answer["auth_chain"]:
            self.add(event)
        for event in answer["state"]:
            self.state[(event["type"], event["state_key"])] = self.add(event)
        event_id = self.add(answer.get("event") or ours)
        self.states[event_id] = dict(self.state)
        self.state[("m.room.member", self.user)] = event_id
        self.extremities = [event_id]
        self.depth = ours["depth"]

    def take(self, event: dict) -> None:
        """Takes an event that another server sent: the next event of ours is built upon it."""
        event_id = self.add(event)
        self.states[event_id] = dict(self.state)
        self.extremities = [e for e in self.extremities if e not in peer_events.referred(event, "prev_events")] + [event_id]
        self.depth = max(self.depth, event["depth"])
        if "state_key" in event:
            self.state[(event["type"], event["state_key"])] = event_id

    def build(self, type: str, content: dict, state_key: str | None = None, **changes) -> tuple[str, dict]:
        """Returns an event of ours and its id; `changes` replace its fields (`None` removes one).

        It is built on the room as it is, and nothing remembers it: `extend` does both.
        """
        event = {
            "type": type,
            "content": content,
            "room_id": self.id,
            "sender": self.user,
            "origin_server_ts": int(time.time() * 1000),
            "depth": self.depth + 1,
            "prev_events": self.references(self.extremities),
            "auth_events": self.references(self.auth_events(type, state_key, content)),
        }
        if self.version in peer_events.CHOSEN_IDS:
            event["event_id"] = peer_events.chosen_id(self.peer.name)
        if int(self.version) < 11:
            event["origin"] = self.peer.name
        if state_key is not None:
            event["state_key"] = state_key
        event.update(changes)
        event = self.sign({key: value for key, value in event.items() if value is not None})
        return peer_events.event_id(event, self.version), event

    def extend(self, type: str, content: dict, state_key: str | None = None, **changes) -> tuple[str, dict]:
        """Builds an event, remembers it and goes on from it."""
        event_id, event = self.build(type, content, state_key, **changes)
        self.take(event)
        return event_id, event

    def message(self, body: str, **changes) -> tuple[str, dict]:
        return self.build("m.room.message", {"msgtype": "m.text", "body": body}, **changes)

    def sign(self, event: dict) -> dict:
        return peer_events.sign_event(event, self.version, self.peer.name, self.peer.key)

    def references(self, event_ids: list[str]) -> list:
        """Names events as the room version has it; one that is not known has no hash."""
        unknown = (lambda event_id: [event_id, {}]) if self.version in peer_events.CHOSEN_IDS else (lambda event_id: event_id)
        return [
            peer_events.reference(self.events[event_id], self.version) if event_id in self.events else unknown(event_id)
            for event_id in event_ids
        ]

    def auth_events(self, type: str, state_key: str | None, content: dict) -> list[str]:
        """Returns what the specification selects to authorise an event of ours."""
        wanted = [("m.room.power_levels", ""), ("m.room.member", self.user)]
        if self.version != "12":
            wanted.insert(0, ("m.room.create", ""))
        if type == "m.room.member":
            wanted += [("m.room.member", state_key), ("m.room.join_rules", "")]
        return [self.state[key] for key in dict.fromkeys(wanted) if key in self.state]

    # Answers to questions.

    def auth_chain(self, event_ids: list[str]) -> list[str]:
        chain, todo = set(), list(event_ids)
        while todo:
            for parent in peer_events.referred(self.events.get(todo.pop(), {}), "auth_events"):
                if parent not in chain and parent in self.events:
                    chain.add(parent)
                    todo.append(parent)
        return sorted(chain)

    def state_before(self, event_id: str) -> tuple[list[str], list[str]]:
        """Returns the ids of the state before an event and of its auth chain."""
        state = sorted(self.states.get(event_id, self.state).values())
        return state, self.auth_chain(state)

    def between(self, earliest: list[str], latest: list[str]) -> list[dict]:
        """Returns the events that lead from `earliest` to `latest`, both left out, oldest first."""
        found: dict[str, dict] = {}
        todo = list(latest)
        while todo and len(found) < MISSING_EVENTS_MAX:
            for parent in peer_events.referred(self.events.get(todo.pop(0), {}), "prev_events"):
                if parent in self.events and parent not in earliest and parent not in found:
                    found[parent] = self.events[parent]
                    todo.append(parent)
        return sorted(found.values(), key=lambda event: event["depth"])
