"""Makes resolutions.json: how Synapse resolves forks of rooms of version 1.

    /var/venv-vectors/bin/python crates/events/tests/vectors/make_resolutions.py

(See make.py for the virtual environment.) The rooms grow at random: users join, leave, ban, take and give power, each on one
branch without knowing of the others; now and then branches are joined. What a branch refuses does not enter it. For each time
that branches are joined: the states that met, and the one that Synapse makes of them.
"""

import asyncio
import json
import pathlib
import random

from synapse import event_auth
from synapse.api.errors import AuthError, SynapseError
from synapse.api.room_versions import RoomVersions
from synapse.federation.federation_base import event_from_pdu_json
from synapse.state.v1 import resolve_events_with_store

ROOMS = 60
STEPS = 40
BRANCHES_MAX = 6
ROOM = "!room:a.test"
USERS = ["@alice:a.test", "@bob:b.test", "@carol:c.test", "@dave:d.test", "@erin:b.test"]
ALICE = USERS[0]
RULES = ["public", "public", "invite"]
LEVELS = {
    "users": {ALICE: 100, "@bob:b.test": 100, "@carol:c.test": 50}, "users_default": 0, "events_default": 0,
    "state_default": 50, "ban": 50, "kick": 50, "redact": 50, "invite": 0, "events": {"m.room.topic": 0},
}


class Room:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.events = {}
        self.made = []
        self.cases = []
        # A branch is its state and the depth of its end.
        self.branches = [({}, 0)]
        beginning = [(ALICE, "m.room.create", "", {"creator": ALICE}), (ALICE, "m.room.member", ALICE, {"membership": "join"})]
        beginning.append((ALICE, "m.room.power_levels", "", LEVELS))
        beginning.append((ALICE, "m.room.join_rules", "", {"join_rule": "public"}))
        beginning.extend((user, "m.room.member", user, {"membership": "join"}) for user in USERS[1:4])
        for sender, event_type, state_key, content in beginning:
            state, depth = self.branches[0]
            self.branches[0] = self.add(state, depth + 1, sender, event_type, state_key, content)

    def add(self, state, depth, sender, event_type, state_key, content):
        """The branch with the event, or None if it is refused there."""
        event_id = f"${len(self.made)}{self.random.randrange(10**6)}:{sender.split(':')[1]}"
        made = {"event_id": event_id, "sender": sender, "type": event_type, "state_key": state_key, "content": content, "depth": depth}
        pdu = {**made, "room_id": ROOM, "origin_server_ts": 1, "hashes": {}, "signatures": {}, "prev_events": [], "auth_events": []}
        # That of the first join is looked at: it must be the create event.
        if self.made:
            pdu["prev_events"] = [[self.made[0]["event_id"], {"sha256": "AAAA"}]]
        parsed = event_from_pdu_json(pdu, RoomVersions.V1)
        needed = event_auth.auth_types_for_event(RoomVersions.V1, parsed)
        try:
            event_auth.check_state_dependent_auth_rules(parsed, [self.events[state[key]] for key in needed if key in state])
        except (AuthError, SynapseError):
            return None
        self.events[event_id] = parsed
        self.made.append(made)
        return {**state, (event_type, state_key): event_id}, depth

    def step(self):
        at = self.random.randrange(len(self.branches))
        state, depth = self.branches[at]
        # Whoever makes an event may claim any depth.
        depth += self.random.choice([1, 1, 1, 1, 0, 5])
        grown = self.add(state, depth, *self.action(state))
        if grown is None:
            return
        if len(self.branches) < BRANCHES_MAX and self.random.randrange(3) == 0:
            self.branches.append(grown)
        else:
            self.branches[at] = grown

    def action(self, state):
        sender, target = self.random.choice(USERS), self.random.choice(USERS)
        kind = self.random.randrange(14)
        if kind < 3:
            return sender, "m.room.member", sender, {"membership": "join"}
        if kind < 9:
            membership = ["leave", "invite", "ban", "ban", "leave", "invite"][kind - 3]
            return sender, "m.room.member", sender if kind == 3 else target, {"membership": membership}
        if kind < 11:
            levels = json.loads(json.dumps(self.events[state[("m.room.power_levels", "")]].get_dict()["content"]))
            levels["users"][target] = self.random.choice([0, 10, 50, 100])
            levels["users"].setdefault(ALICE, 100)
            return sender, "m.room.power_levels", "", levels
        if kind < 12:
            return sender, "m.room.join_rules", "", {"join_rule": self.random.choice(RULES)}
        return sender, self.random.choice(["m.room.topic", "m.room.name"]), "", {"x": self.random.randrange(1000)}

    def join(self):
        if len(self.branches) < 2:
            return
        self.random.shuffle(self.branches)
        count = min(len(self.branches), self.random.randrange(2, 5))
        met, self.branches = self.branches[:count], self.branches[count:]
        states = [state for state, _ in met]

        async def get(ids):
            return {id: self.events[id] for id in ids}

        resolved = asyncio.run(resolve_events_with_store(ROOM, RoomVersions.V1, states, None, get))
        if any(state != states[0] for state in states):
            numbers = {made["event_id"]: number for number, made in enumerate(self.made)}
            ids = lambda state: sorted(numbers[id] for id in state.values())
            self.cases.append({"states": [ids(state) for state in states], "resolved": ids(resolved)})
        self.branches.append((dict(resolved), max(depth for _, depth in met) + 1))


def main():
    rooms = []
    for seed in range(ROOMS):
        room = Room(seed)
        for step in range(STEPS):
            room.step()
            if step % 5 == 4:
                room.join()
        rooms.append({"events": room.made, "cases": room.cases})
    lines = [json.dumps(room, separators=(",", ":"), sort_keys=True) for room in rooms]
    (pathlib.Path(__file__).parent / "resolutions.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
