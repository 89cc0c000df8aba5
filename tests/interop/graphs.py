"""Histories of a room that grow at random, with forks: users of the scripted peer join, leave, invite, ban, take and give
power, set state and redact, each on one branch without knowing of the others; now and then branches meet.

What the generator says is not the test: it picks what an event cites by the state of its own branch, which where branches met
is a guess. Whether an event may enter the room is for the servers under test to say.
"""

import json
import random
import time
from dataclasses import dataclass

from synapse import event_auth
from synapse.api.errors import AuthError, SynapseError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.federation.federation_base import event_from_pdu_json

import peer_events
from peer_room import PeerRoom

BRANCHES_MAX = 5
RULES = ["public", "public", "invite", "knock", "restricted", "knock_restricted"]


@dataclass
class Branch:
    """The end of a branch: what the next event builds on, and the state there as the generator guesses it."""

    heads: list[str]
    depth: int
    state: dict[tuple[str, str], str]


class Graph:
    """Grows on a room that the peer has joined. `events` has what was made, parents before children."""

    def __init__(self, room: PeerRoom, seed: int):
        self.room = room
        self.random = random.Random(f"{room.version} {seed}")
        self.number = int(room.version)
        self.events: list[tuple[str, dict]] = []
        self.parsed = {event_id: self.parse(event) for event_id, event in room.events.items()}
        self.clock = int(time.time() * 1000)
        self.branches = [Branch(list(room.extremities), room.depth, dict(room.state))]
        names = ("adam", "beth", "carl", "dora")
        self.users = [room.user] + [room.peer.user(name) for name in names]
        # Takes no part in the fights, so that the peer has somebody in the room whatever becomes of the others.
        self.witness = room.peer.user("witness")
        for user in [self.witness, *self.users[1:]]:
            self.grow(0, user, "m.room.member", {"membership": "join"}, user)
        self.grow(0, room.user, "m.room.power_levels", self.levels(self.branches[0].state), "")

    def parse(self, event: dict):
        return event_from_pdu_json(json.loads(json.dumps(event)), KNOWN_ROOM_VERSIONS[self.room.version])

    # Growing.

    def step(self) -> None:
        """Something happens on one of the branches, or some of them meet."""
        if len(self.branches) > 1 and self.random.randrange(6) == 0:
            return self.meet(self.random.sample(range(len(self.branches)), min(len(self.branches), self.random.choice([2, 2, 3]))))
        at = self.random.randrange(len(self.branches))
        for _ in range(4):
            sender, type, content, state_key, redacts = self.action(self.branches[at].state)
            if self.passes(self.branches[at], sender, type, content, state_key, redacts) or self.random.randrange(6) == 0:
                break
        if len(self.branches) < BRANCHES_MAX and self.random.randrange(3) == 0:
            self.branches.append(self.branches[at])
            at = len(self.branches) - 1
        self.grow(at, sender, type, content, state_key, redacts)

    def meet(self, which: list[int]) -> None:
        met = [self.branches[at] for at in which]
        self.branches = [branch for at, branch in enumerate(self.branches) if at not in which]
        state: dict[tuple[str, str], str] = {}
        for branch in met:
            state.update(branch.state)
        heads = list(dict.fromkeys(head for branch in met for head in branch.heads))
        self.branches.append(Branch(heads, max(branch.depth for branch in met), state))
        self.grow(len(self.branches) - 1, self.random.choice(self.users), "m.room.message", {"body": "met"}, None)

    def end(self) -> str:
        """All branches meet in a message of the witness; returns its id."""
        self.meet(list(range(len(self.branches))))
        return self.grow(0, self.witness, "m.room.message", {"body": "the end"}, None)

    def another_order(self) -> list[dict]:
        """The events as another server might hear of them: in another order, parents before children all the same."""
        made = dict(self.events)
        waits_for = {
            event_id: {parent for parent in peer_events.referred(event, "prev_events") if parent in made}
            for event_id, event in self.events
        }
        order = []
        while waits_for:
            ready = [event_id for event_id, parents in waits_for.items() if not parents]
            event_id = self.random.choice(ready)
            del waits_for[event_id]
            for parents in waits_for.values():
                parents.discard(event_id)
            order.append(made[event_id])
        return order

    def grow(self, at: int, sender: str, type: str, content: dict, state_key: str | None, redacts: str | None = None) -> str:
        branch = self.branches[at]
        passes = self.passes(branch, sender, type, content, state_key, redacts)
        event_id, event = self.make(branch, sender, type, content, state_key, redacts)
        self.room.add(event)
        self.parsed[event_id] = self.parse(event)
        self.events.append((event_id, event))
        state = branch.state if not passes or state_key is None else {**branch.state, (type, state_key): event_id}
        # Now and then somebody builds on what is to be refused.
        if passes or self.random.randrange(3) == 0:
            self.branches[at] = Branch([event_id], branch.depth + 1, state)
        return event_id

    def make(self, branch, sender, type, content, state_key, redacts) -> tuple[str, dict]:
        # Clocks stand still, jump, and go back.
        self.clock += self.random.choice([0, 0, 1, 10, 100, -50])
        room = self.room
        event = {
            "type": type,
            "content": content,
            "room_id": room.id,
            "sender": sender,
            "origin_server_ts": self.clock,
            "depth": branch.depth + 1,
            "prev_events": room.references(branch.heads),
            "auth_events": room.references(self.cited(branch, sender, type, content, state_key)),
        }
        if state_key is not None:
            event["state_key"] = state_key
        if redacts is not None and self.number >= 11:
            event["content"] = {**content, "redacts": redacts}
        elif redacts is not None:
            event["redacts"] = redacts
        if room.version in peer_events.CHOSEN_IDS:
            event["event_id"] = peer_events.chosen_id(room.peer.name)
        event = room.sign(event)
        return peer_events.event_id(event, room.version), event

    def cited(self, branch, sender, type, content, state_key) -> list[str]:
        """S2S API, "Auth events selection"."""
        wanted = [("m.room.power_levels", ""), ("m.room.member", sender)]
        if self.number < 12:
            wanted.append(("m.room.create", ""))
        if type == "m.room.member":
            wanted.append(("m.room.member", state_key))
            if content["membership"] in ("join", "invite", "knock"):
                wanted.append(("m.room.join_rules", ""))
            if "join_authorised_via_users_server" in content and self.number >= 8:
                wanted.append(("m.room.member", content["join_authorised_via_users_server"]))
        return [branch.state[key] for key in dict.fromkeys(wanted) if key in branch.state]

    def passes(self, branch, sender, type, content, state_key, redacts) -> bool:
        """Whether the event is allowed by the state of its branch, as far as the generator knows that."""
        clock = self.clock
        _, event = self.make(branch, sender, type, content, state_key, redacts)
        self.clock = clock
        cited = [self.parsed[event_id] for event_id in peer_events.referred(event, "auth_events")]
        if self.number >= 12:
            cited.append(self.parsed["$" + self.room.id[1:]])
        try:
            event_auth.check_state_dependent_auth_rules(self.parse(event), cited)
        except (AuthError, SynapseError):
            return False
        return True

    # What happens.

    def action(self, state) -> tuple[str, str, dict, str | None, str | None]:
        sender, target = self.random.choice(self.users), self.random.choice(self.users)
        kind = self.random.randrange(22)
        if kind < 3:
            return sender, "m.room.member", {"membership": "join"}, sender, None
        if kind < 5:
            authorised = {"membership": "join", "join_authorised_via_users_server": target}
            return sender, "m.room.member", authorised, sender, None
        if kind < 7:
            return sender, "m.room.member", {"membership": ["knock", "leave"][kind - 5]}, sender, None
        if kind < 13:
            membership = ["invite", "invite", "ban", "ban", "leave", "leave"][kind - 7]
            return sender, "m.room.member", {"membership": membership}, target, None
        if kind < 15:
            return sender, "m.room.power_levels", self.levels(state), "", None
        if kind < 16:
            return sender, "m.room.join_rules", {"join_rule": self.random.choice(RULES), "allow": []}, "", None
        if kind < 18:
            type = self.random.choice(["m.room.topic", "m.room.name", "org.example.own"])
            return sender, type, {"x": self.random.randrange(1000)}, target if type == "org.example.own" else "", None
        if kind < 20 and self.events:
            return sender, "m.room.redaction", {}, None, self.random.choice(self.events)[0]
        return sender, "m.room.message", {"body": str(self.random.randrange(1000))}, None, None

    def levels(self, state) -> dict:
        """The levels of a state, with some changes."""
        event = self.room.events[state[("m.room.power_levels", "")]]
        levels = json.loads(json.dumps(event["content"]))
        levels.setdefault("users", {})
        if not self.events or len(self.events) < len(self.users) + 1:
            levels["users"].update({self.users[1]: 100, self.users[2]: 50})
            levels.setdefault("events", {})["m.room.topic"] = 0
            return levels
        for _ in range(self.random.choice([1, 1, 2])):
            levels["users"][self.random.choice(self.users)] = self.random.choice([0, 10, 50, 100])
        if self.random.randrange(3) == 0:
            levels[self.random.choice(["ban", "kick", "invite", "state_default"])] = self.random.choice([0, 50, 75, 100])
        return levels
