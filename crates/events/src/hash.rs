//! Content and reference hashes, and the event ids made of them. S2S API, "Signing Events".

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::id::EventId;
use crate::json::{self, Object, Value};
use crate::redaction::redact;
use crate::room_version::{EventIdFormat, RoomVersion};

/// Returns the hash over the whole event, that a redacted copy no longer matches.
pub fn content_hash(event: &Object) -> [u8; 32] {
    Sha256::digest(json::canonical_without(event, &["hashes", "signatures", "unsigned"])).into()
}

/// Says whether `event` carries the hash of its own content.
pub fn content_hash_matches(event: &Object) -> bool {
    let claimed = event.get("hashes").and_then(|hashes| hashes.get("sha256")).and_then(Value::as_str);
    claimed.is_some_and(|claimed| decode_base64(claimed).is_some_and(|claimed| claimed == content_hash(event)))
}

/// Returns the id of `event`: its reference hash, or what it claims where ids are chosen. `None` if it claims none.
pub fn event_id(event: &Object, version: RoomVersion) -> Option<EventId> {
    match version.rules().event_id {
        EventIdFormat::Chosen => event.get("event_id").and_then(Value::as_str).and_then(|id| EventId::parse(id).ok()),
        EventIdFormat::ReferenceHash => {
            EventId::parse(format!("${}", STANDARD_NO_PAD.encode(reference_hash(event, version)))).ok()
        }
        EventIdFormat::UrlSafeReferenceHash => {
            EventId::parse(format!("${}", URL_SAFE_NO_PAD.encode(reference_hash(event, version)))).ok()
        }
    }
}

/// Returns the hash over what survives a redaction.
pub fn reference_hash(event: &Object, version: RoomVersion) -> [u8; 32] {
    let redacted = redact(event, version);
    // The Python implementation, which the ids of old rooms come from, also leaves out `age_ts`; redaction already has.
    Sha256::digest(json::canonical_without(&redacted, &["signatures", "unsigned"])).into()
}

/// Encodes bytes as the specification's unpadded base64.
pub fn encode_base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Decodes standard or URL-safe base64, padded or not, as others send it.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    if text.contains(['-', '_']) { LENIENT_URL_SAFE.decode(text).ok() } else { LENIENT_STANDARD.decode(text).ok() }
}

const LENIENT: base64::engine::GeneralPurposeConfig = base64::engine::GeneralPurposeConfig::new()
    .with_encode_padding(false)
    // Python's decoder accepts any bits behind the last byte, so signatures with such bits exist.
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
const LENIENT_STANDARD: base64::engine::GeneralPurpose =
    base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const LENIENT_URL_SAFE: base64::engine::GeneralPurpose =
    base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
