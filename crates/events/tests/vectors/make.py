"""Makes vectors.json: what Synapse's own libraries say of events in every room version.

    python3 -m venv /var/venv-vectors && /var/venv-vectors/bin/pip install matrix-synapse==1.163.2
    /var/venv-vectors/bin/python crates/events/tests/vectors/make.py

For each event and room version: the event id, the content hash and the signature by the key of the specification's own test
vectors, or null where Synapse refuses the event. For each auth case: whether Synapse lets the event pass.
"""

import asyncio
import json
import pathlib

from canonicaljson import encode_canonical_json
from signedjson.key import decode_signing_key_base64
from signedjson.sign import sign_json
from unpaddedbase64 import encode_base64

from synapse import event_auth
from synapse.api.errors import AuthError, SynapseError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import compute_content_hash, compute_event_signature
from synapse.federation.federation_base import event_from_pdu_json
import hashlib

VERSIONS = [str(number) for number in range(1, 13)]
KEY = decode_signing_key_base64("ed25519", "1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
SERVER = "domain"


def event(event_type, content, state_key=None, **more):
    made = {
        "room_id": "!x:domain",
        "sender": "@a:domain",
        "origin": "domain",
        "origin_server_ts": 1000000,
        "signatures": {},
        "hashes": {"sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},
        "type": event_type,
        "content": content,
        "prev_events": [],
        "auth_events": [],
        "depth": 3,
        "event_id": "$0:domain",
    }
    if state_key is not None:
        made["state_key"] = state_key
    made.update(more)
    return {key: value for key, value in made.items() if value is not ...}


def member(content):
    return event("m.room.member", content, "@b:domain")


EVENTS = {
    "plain": event("X", {}),
    "message": event("m.room.message", {"body": "Here is the message content"}),
    "text": event("m.room.message", {"body": "\u0000\u001f\"\\/\b\f\n\r\t\u007f\u2028日本\U0001f600é"}),
    "keys": event("m.room.create", {"日": 1, "本": 2, "a": {"\uffff": 1, "\U00010000": 2, "": 3}, "B": 4}, ""),
    "integers": event("m.room.create", {"a": 9007199254740991, "b": -9007199254740991, "c": 0, "d": -1}, ""),
    "big integer": event("m.room.create", {"a": 9007199254740992}, ""),
    "fraction": event("m.room.create", {"a": 1.5}, ""),
    "fractions": event(
        "m.room.message", {"a": [1e3, 1e15, 1e16, 1.5e300, 1e-4, 1e-5, 1.25e-7, -0.5, 123456789.125, 5e-324, 0.1]}
    ),
    "integers of any size": event("m.room.create", {"a": [2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30]}, ""),
    "integers of any size, beside": event("m.room.message", {"a": [2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30]}),
    "fractions of all kinds": event("m.room.create", {"a": [-0.0, 0.1 + 0.2, 1e22, 123456789012345680000.0, 1.7976931348623157e308]}, ""),
    "nested": event("m.room.create", {"a": [[], {}, [None, True, False, "", {"b": [1]}]]}, ""),
    "top level": event(
        "X", {}, "", membership="join", prev_state=[["$p:domain", {}]], replaces_state="$q:domain", extra={"a": 1}, redacts="$r"
    ),
    "unsigned": event("X", {}, unsigned={"age_ts": 1000000, "extra": 1}),
    "age_ts": event("X", {}, age_ts=5),
    "outlier": event("X", {}, outlier=True, destinations=["a"]),
    "signed by another": event("X", {}, signatures={"other": {"ed25519:1": "AAAA"}}),
    "hashes of other kinds": event("X", {}, hashes={"sha256": "AAAA", "md5": "5"}),
    "hash that is a number": event("X", {}, hashes={"sha256": "AAAA", "md5": 5}),
    "sha256 that is a number": event("X", {}, hashes={"sha256": 5}),
    "no sha256": event("X", {}, hashes={}),
    "hashes are a list": event("X", {}, hashes=[]),
    "no signatures": event("X", {}, signatures=...),
    "signatures are a list": event("X", {}, signatures=[]),
    "signature that is a number": event("X", {}, signatures={"other": {"ed25519:1": 5}}),
    "signatures of a server are a text": event("X", {}, signatures={"other": "text"}),
    "no depth": event("X", {}, depth=...),
    "no time": event("X", {}, origin_server_ts=...),
    "time 1.0": event("X", {}, origin_server_ts=1.0),
    "time that is a text": event("X", {}, origin_server_ts="1"),
    "time 2^53": event("X", {}, origin_server_ts=2**53),
    "no prev events": event("X", {}, prev_events=...),
    "no auth events": event("X", {}, auth_events=...),
    "state key that is a number": event("X", {}, state_key=5),
    "state key that is null": {**event("X", {}), "state_key": None},
    "sender that is a number": event("X", {}, sender=5),
    "sender without server": event("X", {}, sender="@a"),
    "sender without sigil": event("X", {}, sender="a:domain"),
    "sender with an odd server": event("X", {}, sender="@a:b_c"),
    "sender of a historical kind": event("X", {}, sender="@A b/ü:domain"),
    "sender without localpart": event("X", {}, sender="@:domain"),
    "room without server": event("X", {}, room_id="!x"),
    "room without sigil": event("X", {}, room_id="x:domain"),
    "room that is a number": event("X", {}, room_id=5),
    "no room": event("X", {}, room_id=...),
    "type that is a number": event(5, {}),
    "empty type": event("", {}),
    "unsigned is a list": event("X", {}, unsigned=[]),
    "unsigned with a fraction": event("X", {}, unsigned={"a": 1.5}),
    "no hashes": event("X", {}, hashes=...),
    "create": event("m.room.create", {"creator": "@a:domain", "m.federate": True, "room_version": "x", "extra": [1]}, ""),
    "create without room": event("m.room.create", {"creator": "@a:domain", "extra": [1]}, "", room_id=...),
    "join": member({"membership": "join", "displayname": "B", "join_authorised_via_users_server": "@c:domain"}),
    "member with odd values": member({"membership": 5, "join_authorised_via_users_server": {"a": 1}}),
    "third party": member(
        {"membership": "invite", "third_party_invite": {"display_name": "x", "signed": {"mxid": "@b:domain", "token": "t", "signatures": {}}}}
    ),
    "third party, empty": member({"membership": "invite", "third_party_invite": {}}),
    "third party, unsigned": member({"membership": "invite", "third_party_invite": {"display_name": "x"}}),
    "third party, signed is null": member({"membership": "invite", "third_party_invite": {"display_name": "x", "signed": None}}),
    "third party, signed is a text": member({"membership": "invite", "third_party_invite": {"signed": "text"}}),
    "third party, signed is a list": member({"membership": "invite", "third_party_invite": {"signed": ["signed"]}}),
    "third party is null": member({"membership": "invite", "third_party_invite": None}),
    "third party is a text": member({"membership": "invite", "third_party_invite": "signed"}),
    "third party is a list": member({"membership": "invite", "third_party_invite": ["signed"]}),
    "third party is a number": member({"membership": "invite", "third_party_invite": 1}),
    "join rules": event("m.room.join_rules", {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": "!y:domain"}], "extra": 1}, ""),
    "power levels": event(
        "m.room.power_levels",
        {"ban": 50, "events": {"a": 1}, "events_default": 0, "invite": 5, "kick": 50, "notifications": {"room": 50}, "redact": 50,
         "state_default": 50, "users": {"@a:domain": 100}, "users_default": 0, "extra": 1}, ""
    ),
    "aliases": event("m.room.aliases", {"aliases": ["#a:domain"], "extra": 1}, "domain"),
    "history visibility": event("m.room.history_visibility", {"history_visibility": "shared", "extra": 1}, ""),
    "redaction": event("m.room.redaction", {"redacts": "$r", "reason": "because"}, redacts="$r"),
    "member as a message": event("m.room.member", {"membership": "join", "extra": 1}),
    "content is null": event("X", None),
    "content is a list": event("X", []),
    "type is missing": event("X", {}, type=...),
    "depth 0": event("X", {}, depth=0),
    "depth -1": event("X", {}, depth=-1),
    "depth 2^53-1": event("X", {}, depth=2**53 - 1),
    "depth 2^53": event("X", {}, depth=2**53),
    "depth 2^63-1": event("X", {}, depth=2**63 - 1),
    "depth 2^63": event("X", {}, depth=2**63),
    "depth 1.0": event("X", {}, depth=1.0),
    "time -1": event("X", {}, origin_server_ts=-1),
    "prev events": event("X", {}, prev_events=["$a", "$b"], auth_events=["$c"]),
    "prev events of version 1": event("X", {}, prev_events=[["$a:domain", {"sha256": "AAAA"}]], auth_events=[["$c:domain", {}]]),
}


def judge(made, version):
    """What Synapse makes of an event that comes over federation."""
    made = json.loads(json.dumps(made))
    room_version = KNOWN_ROOM_VERSIONS[version]
    if version not in ("1", "2"):
        made.pop("event_id", None)
    try:
        parsed = event_from_pdu_json(json.loads(json.dumps(made)), room_version)
        event_id = parsed.event_id
        content_hash = encode_base64(compute_content_hash(made, hashlib.sha256)[1])
        signatures = compute_event_signature(room_version, made, SERVER, KEY)
        return {"event_id": event_id, "content_hash": content_hash, "signature": signatures[SERVER]["ed25519:1"]}
    except BaseException as error:  # Synapse's Rust code panics on some events.
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


# ---------------------------------------------------------------------------------------------------------------- auth


class Store:
    def __init__(self, events):
        self.events = events

    async def get_events(self, ids, **_):
        return {id: self.events[id] for id in ids if id in self.events}


class AuthRoom:
    """A room that grows by events; each is judged as Synapse does it."""

    def __init__(self, version):
        self.version = version
        self.room_version = KNOWN_ROOM_VERSIONS[version]
        self.events = {}
        self.state = {}
        self.last = None
        self.clock = 1000000

    def add(self, sender, event_type, content, state_key, advances):
        self.clock += 1
        refers = (lambda id: [id, {"sha256": "AAAA"}]) if self.version in ("1", "2") else (lambda id: id)
        made = event(event_type, content, state_key, sender=sender, prev_events=[refers(self.last)] if self.last else [],
                     origin_server_ts=self.clock, signatures={sender.split(":")[1]: {"ed25519:1": "AAAA"}})
        authoriser = content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str):
            made["signatures"].setdefault(authoriser.split(":")[1], {"ed25519:1": "AAAA"})
        if event_type == "m.room.redaction" and "redacts" in content:
            made["redacts"] = content["redacts"]
        if self.version in ("1", "2"):
            made["event_id"] = f"${self.clock}:{sender.split(':')[1]}"
        else:
            made.pop("event_id")
        if self.version == "12":
            if event_type == "m.room.create":
                made.pop("room_id")
            else:
                made["room_id"] = "!" + self.state[("m.room.create", "")].event_id[1:]
        made["auth_events"] = [refers(id) for id in self.select(made)]
        parsed = event_from_pdu_json(json.loads(json.dumps(made)), self.room_version)
        verdict = self.judge(parsed)
        if verdict == "1" and advances:
            self.last = parsed.event_id
            self.events[parsed.event_id] = parsed
            if state_key is not None:
                self.state[(event_type, state_key)] = parsed
        return verdict

    def select(self, made):
        probe = event_from_pdu_json(json.loads(json.dumps(made)), self.room_version)
        try:
            types = event_auth.auth_types_for_event(self.room_version, probe)
        except Exception:
            types = {("m.room.power_levels", ""), ("m.room.create", ""), ("m.room.member", probe.sender)}
        if self.version == "12":
            types = types - {("m.room.create", "")}
        return sorted(self.state[key].event_id for key in types if key in self.state)

    def judge(self, parsed):
        """1: passes. 0: refused. x: Synapse fails to judge it, so that it does not enter the room either."""
        try:
            event_auth.validate_event_for_room_version(parsed)
            asyncio.run(event_auth.check_state_independent_auth_rules(Store(self.events), parsed))
            needed = event_auth.auth_types_for_event(self.room_version, parsed)
            event_auth.check_state_dependent_auth_rules(parsed, [self.state[key] for key in needed if key in self.state])
            return "1"
        except (AuthError, SynapseError):
            return "0"
        except Exception:
            return "x"


class Script:
    """What happens in a room: [sender, type, state key, content, whether it advances the room if it passes]."""

    def __init__(self, version):
        self.version = version
        self.steps = []

    def add(self, sender, event_type, content, state_key=None, advances=True):
        self.steps.append([sender, event_type, state_key, content, advances])

    def run(self):
        """The verdicts; they end where the create event is refused."""
        room = AuthRoom(self.version)
        verdicts = ""
        for step in self.steps:
            sender, event_type, state_key, content, advances = step
            verdicts += room.add(sender, event_type, content, state_key, advances)
            if not room.state:
                break
        return verdicts


def member_of(room, sender, target, membership, advances=True, **more):
    room.add(sender, "m.room.member", {"membership": membership, **more}, target, advances)


A, B, C, D = "@a:domain", "@b:other", "@c:domain", "@d:other"


def begin(version, rule="public", levels=True, **create):
    room = Script(version)
    room.add(A, "m.room.create", {"creator": A, "room_version": "1", **create}, "")
    member_of(room, A, A, "join")
    room.add(A, "m.room.join_rules", {"join_rule": rule}, "")
    if levels:
        users = {} if version == "12" else {A: 100}
        room.add(A, "m.room.power_levels", {"users": {**users, B: 50, C: 50}}, "")
    return room


def memberships(version):
    """Every membership by everybody on everybody, from every membership."""
    rooms = []
    for rule in ("public", "invite", "knock", "restricted", "knock_restricted", "private", 5):
        for before in (None, "join", "invite", "ban", "leave", "knock"):
            room = begin(version, rule="public")
            member_of(room, C, C, "join")
            if before == "knock":
                room.add(A, "m.room.join_rules", {"join_rule": "knock"}, "")
                member_of(room, D, D, "knock")
            elif before in ("join", "leave"):
                member_of(room, D, D, "join")
                if before == "leave":
                    member_of(room, D, D, "leave")
            elif before:
                member_of(room, A, D, before)
            room.add(A, "m.room.join_rules", {"join_rule": rule}, "")
            for sender in (D, C, B):
                for membership in ("join", "invite", "leave", "ban", "knock", "other"):
                    for more in ({}, {"join_authorised_via_users_server": C}, {"join_authorised_via_users_server": B}):
                        if more and membership != "join":
                            continue
                        member_of(room, sender, D, membership, advances=False, **more)
            rooms.append(room)
    return rooms


def powers(version):
    rooms = []
    contents = [
        {"ban": 51}, {"ban": 50}, {"ban": 49}, {"invite": 51}, {"users_default": 51}, {"state_default": 60}, {"state_default": 10},
        {"events": {"m.x": 51}}, {"events": {"m.x": 50}}, {"notifications": {"room": 51}}, {"notifications": {"room": 50}},
        {"kick": "50"}, {"kick": " +050 "}, {"kick": "x"}, {"kick": None}, {"kick": []}, {"events": []}, {"events": {"m.x": "10"}},
        {"events": {"m.x": "ten"}}, {"notifications": "x"}, {"users": []}, {"users": {"@x": 1}}, {"users": {"x": 1}},
        {"users": {"@x:y": "1"}}, {"users": {"@x:y": "one"}}, {"users": {"@x:y": None}}, {"extra": "x"},
    ]
    for before in ({}, {"ban": 60}, {"ban": 40, "events": {"m.x": 51}}, {"kick": 70, "invite": 50, "notifications": {"room": 60}}):
        for content in contents:
            room = begin(version, levels=False)
            member_of(room, B, B, "join")
            creator = {} if version == "12" else {A: 100}
            room.add(A, "m.room.power_levels", {"users": {**creator, B: 50, C: 50, D: 20}, **before}, "")
            for sender, users in ((B, {B: 50, C: 50, D: 20}), (A, {B: 50, C: 50, D: 20})):
                made = {"users": {**creator, **users}, **before, **content}
                room.add(sender, "m.room.power_levels", made, "")
            rooms.append(room)
    for users in ({B: 50, C: 50}, {B: 50, C: 49, D: 20}, {B: 51, C: 50, D: 20}, {B: 49, C: 50, D: 20}, {B: 50, C: 50, D: 50},
                  {B: 50, C: 50, D: 51}, {C: 50, D: 20}, {B: 50, C: 50, D: 20, A: 100}, {B: 50, C: 50, D: 20, A: 99}):
        room = begin(version, levels=False)
        member_of(room, B, B, "join")
        creator = {} if version == "12" else {A: 100}
        room.add(A, "m.room.power_levels", {"users": {**creator, B: 50, C: 50, D: 20}}, "")
        room.add(B, "m.room.power_levels", {"users": {**creator, **users}}, "")
        room.add(A, "m.room.power_levels", {"users": {**creator, **users}}, "")
        rooms.append(room)
    return rooms


def others(version):
    rooms = []
    for federate in (True, False, None, "false", 0):
        room = begin(version, **{"m.federate": federate})
        member_of(room, B, B, "join")
        member_of(room, C, C, "join")
        rooms.append(room)
    for create in ({"room_version": "no"}, {"creator": B}, {"additional_creators": [B]}, {"additional_creators": ["x"]},
                   {"additional_creators": B}, {"additional_creators": [5]}):
        room = Script(version)
        room.add(A, "m.room.create", {"creator": A, **create}, "")
        member_of(room, A, A, "join")
        room.add(A, "m.room.join_rules", {"join_rule": "public"}, "")
        member_of(room, B, B, "join")
        room.add(B, "m.room.name", {}, "")
        room.add(A, "m.room.power_levels", {"users": {B: 100}}, "")
        member_of(room, A, B, "leave")
        rooms.append(room)
    room = begin(version)
    member_of(room, B, B, "join")
    for event_type, state_key in (("m.room.message", None), ("m.x", ""), ("m.x", A), ("m.x", B), ("m.x", "@"), ("m.room.aliases", "other"),
                                  ("m.room.aliases", "domain"), ("m.room.aliases", None), ("m.room.third_party_invite", "t"),
                                  ("m.room.power_levels", "x")):
        for sender in (A, B, D):
            room.add(sender, event_type, {}, state_key)
    for redacts in ("$x:other", "$x:domain", None):
        more = {} if redacts is None else {"redacts": redacts}
        for sender in (A, B):
            room.add(sender, "m.room.redaction", more)
    rooms.append(room)
    # Third-party invites.
    for change in (None, "token", "mxid", "sender", "key", "banned", "unsigned", "no signed", "no token"):
        room = begin(version)
        member_of(room, C, C, "join")
        public = encode_base64(KEY.verify_key.encode())
        keys = {"public_key": public} if change != "key" else {"public_key": encode_base64(b"1" * 32)}
        if change is None:
            keys = {"public_keys": [{"public_key": public}]}
        room.add(A, "m.room.third_party_invite", keys, "t")
        if change == "banned":
            member_of(room, A, D, "ban")
        signed = {"mxid": C if change == "mxid" else D, "token": "u" if change == "token" else "t"}
        if change == "no token":
            signed.pop("token")
        if change != "unsigned":
            signed = sign_json(signed, "identity", KEY)
        invite = {"display_name": "d"} if change == "no signed" else {"display_name": "d", "signed": signed}
        member_of(room, C if change == "sender" else A, D, "invite", third_party_invite=invite)
        rooms.append(room)
    return rooms


def main():
    events = []
    for name, made in EVENTS.items():
        events.append({"name": name, "event": json.dumps(made), "versions": {version: judge(made, version) for version in VERSIONS}})
    # The levels of version 12 do not name the creator.
    rooms = []
    for versions in (VERSIONS[:-1], VERSIONS[-1:]):
        scripts = [memberships(version) + powers(version) + others(version) for version in versions]
        for same in zip(*scripts):
            rooms.append({"steps": same[0].steps, "verdicts": {script.version: script.run() for script in same}})
    path = pathlib.Path(__file__).parent
    lines = [json.dumps(entry, sort_keys=True) for entry in events]
    (path / "events.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    lines = [json.dumps(entry, separators=(",", ":"), sort_keys=True) for entry in rooms]
    (path / "auth.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
