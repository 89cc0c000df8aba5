"""Events as a homeserver makes them: hashes, redaction, ids and signatures, for every room version.

It follows the specification's text and shares no code with any homeserver, so that it can contradict each of them.
"""

import copy
import hashlib
import secrets

import signedjson.sign
import unpaddedbase64
from canonicaljson import encode_canonical_json

KEPT = {
    "event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth", "prev_events",
    "auth_events", "origin_server_ts",
}
# Room versions in which the server that makes an event chooses its id.
CHOSEN_IDS = ("1", "2")
KEPT_UNTIL_10 = {"prev_state", "origin", "membership"}
KEPT_POWER_LEVELS = {
    "ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default",
}


def redacted(event: dict, version: str) -> dict:
    """Returns the event as redaction leaves it. Client-server API of each room version, "Redactions"."""
    number = int(version)
    kept = KEPT if number >= 11 else KEPT | KEPT_UNTIL_10
    result = {key: copy.deepcopy(value) for key, value in event.items() if key in kept}
    result["content"] = redacted_content(event["type"], event.get("content", {}), number)
    return result


def redacted_content(type: str, content: dict, number: int) -> dict:
    if not isinstance(content, dict):
        return {}
    if type == "m.room.create" and number >= 11:
        return copy.deepcopy(content)
    kept = {
        "m.room.create": {"creator"},
        "m.room.join_rules": {"join_rule"} | ({"allow"} if number >= 8 else set()),
        "m.room.power_levels": KEPT_POWER_LEVELS | ({"invite"} if number >= 11 else set()),
        "m.room.history_visibility": {"history_visibility"},
        "m.room.redaction": {"redacts"} if number >= 11 else set(),
        "m.room.aliases": {"aliases"} if number < 6 else set(),
        "m.room.member": {"membership"} | ({"join_authorised_via_users_server"} if number >= 9 else set()),
    }.get(type, set())
    result = {key: copy.deepcopy(value) for key, value in content.items() if key in kept}
    invite = content.get("third_party_invite")
    if type == "m.room.member" and number >= 11 and isinstance(invite, dict) and "signed" in invite:
        result["third_party_invite"] = {"signed": copy.deepcopy(invite["signed"])}
    return result


def content_hash(event: dict) -> str:
    """Returns the hash of the whole event. Server-server API, "Calculating the content hash for an event"."""
    return digest({key: value for key, value in event.items() if key not in ("unsigned", "signatures", "hashes")})


def event_id(event: dict, version: str) -> str:
    """Returns the event's id: chosen, or its reference hash."""
    if version in CHOSEN_IDS:
        return event["event_id"]
    return "$" + reference_hash(event, version, urlsafe=int(version) >= 4)


def chosen_id(server: str) -> str:
    """Returns a new id, for room versions in which it is chosen."""
    return f"${secrets.token_hex(12)}:{server}"


def reference_hash(event: dict, version: str, urlsafe: bool = False) -> str:
    rest = redacted(event, version)
    rest.pop("signatures", None)
    rest.pop("unsigned", None)
    return unpaddedbase64.encode_base64(hashlib.sha256(encode_canonical_json(rest)).digest(), urlsafe=urlsafe)


def reference(event: dict, version: str):
    """Returns how others name the event in prev_events and auth_events."""
    if version in CHOSEN_IDS:
        return [event["event_id"], {"sha256": reference_hash(event, version)}]
    return event_id(event, version)


def referred(event: dict, key: str) -> list[str]:
    """Returns the ids in prev_events or auth_events, whatever the room version."""
    return [entry if isinstance(entry, str) else entry[0] for entry in event.get(key, [])]


def sign_event(event: dict, version: str, server: str, key) -> dict:
    """Returns the event with its hash, if it has none, and with the signature of `server`."""
    event = copy.deepcopy(event)
    event.setdefault("hashes", {"sha256": content_hash(event)})
    rest = redacted(event, version)
    rest.pop("signatures", None)
    signed = signedjson.sign.sign_json(rest, server, key)
    event.setdefault("signatures", {}).update(signed["signatures"])
    return event


def digest(value: dict) -> str:
    return unpaddedbase64.encode_base64(hashlib.sha256(encode_canonical_json(value)).digest())
