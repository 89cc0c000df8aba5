//! What a server publishes about its keys, and what we keep of it. S2S API, "Publishing Keys".

use std::collections::BTreeMap;

use events::{KeyId, Object, PublicKey, ServerName, SigningKey, Value, signature};
use handles::Timestamp;
use persistence::transactions::server_keys::StoredKey;
use serde_json::json;

/// Keys in one document, old ones included.
const DOCUMENT_KEYS_MAX: usize = 128;
/// Keys that we keep of one server.
const SERVER_KEYS_MAX: usize = 256;
/// A key counts as valid for so long at most, whatever its server says. S2S API, "Publishing Keys".
const VALIDITY_MAX: Timestamp = 7 * 24 * 60 * 60 * 1000;
/// How long our own document is valid. Long enough that nobody asks often, short enough that a key can be withdrawn.
const OWN_VALIDITY: Timestamp = 24 * 60 * 60 * 1000;

const _: () = assert!(DOCUMENT_KEYS_MAX <= SERVER_KEYS_MAX);
const _: () = assert!(OWN_VALIDITY <= VALIDITY_MAX);

/// A document whose signature by its own keys is right.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// As it came, with the signatures of its server only.
    pub(super) object: Object,
    pub(super) valid_until: Timestamp,
    keys: Vec<(KeyId, PublicKey)>,
    old: Vec<(KeyId, PublicKey, Timestamp)>,
}

/// Why a document is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("its keys are those of another server")]
    OtherServer,
    #[error("its list of keys has no valid `{0}`")]
    Field(&'static str),
    #[error("its list has more than {DOCUMENT_KEYS_MAX} keys")]
    TooManyKeys,
    #[error("its list of keys is not signed with a key that it lists")]
    Signature,
}

/// A key of a server. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) key: PublicKey,
    pub(super) valid_until: Timestamp,
    /// When the server stopped to use it.
    pub(super) expired: Option<Timestamp>,
}

/// The keys of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ServerKeys(BTreeMap<KeyId, Known>);

/// A key that this server used before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldKey {
    /// Its name.
    pub id: KeyId,
    /// The public half.
    pub public: PublicKey,
    /// When we stopped to use it, in milliseconds since 1970.
    pub expired: Timestamp,
}

impl Document {
    /// Reads and verifies what is said to be the document of `server`.
    pub(super) fn parse(server: &ServerName, mut object: Object) -> Result<Self, DocumentError> {
        if object.get("server_name").and_then(Value::as_str) != Some(server.as_str()) {
            return Err(DocumentError::OtherServer);
        }
        let valid_until =
            object.get("valid_until_ts").and_then(Value::as_i64).ok_or(DocumentError::Field("valid_until_ts"))?;
        let keys = listed(&object, "verify_keys")?.ok_or(DocumentError::Field("verify_keys"))?;
        let old = listed(&object, "old_verify_keys")?.unwrap_or_default();
        if keys.len() + old.len() > DOCUMENT_KEYS_MAX {
            return Err(DocumentError::TooManyKeys);
        }
        let keys: Vec<_> = keys.into_iter().map(|(id, key, _)| (id, key)).collect();
        let old = old
            .into_iter()
            .map(|(id, key, entry)| Some((id, key, entry.get("expired_ts")?.as_i64()?)))
            .collect::<Option<Vec<_>>>()
            .ok_or(DocumentError::Field("expired_ts"))?;
        let key_of = |wanted: &KeyId| keys.iter().find(|(id, _)| id == wanted).map(|(_, key)| key.clone());
        signature::verify_json(&object, server, key_of).map_err(|_| DocumentError::Signature)?;
        keep_signatures_of(&mut object, server);
        Ok(Self { object, valid_until, keys, old })
    }

    /// Makes our own document.
    pub(super) fn own(server: &ServerName, key: &SigningKey, old: &[OldKey], now: Timestamp) -> Object {
        let old: Object = old
            .iter()
            .map(|old| (old.id.to_string(), json!({ "key": old.public.to_base64(), "expired_ts": old.expired })))
            .collect();
        let mut object = Object::new();
        object.insert("server_name".to_owned(), json!(server));
        object.insert("verify_keys".to_owned(), json!({ key.id().as_str(): { "key": key.public().to_base64() } }));
        object.insert("old_verify_keys".to_owned(), Value::Object(old));
        object.insert("valid_until_ts".to_owned(), json!(now + OWN_VALIDITY));
        signature::sign_json(&mut object, server, key);
        object
    }
}

impl ServerKeys {
    /// The keys that this server itself has, which never expire as long as it uses them.
    pub(super) fn own(key: &SigningKey, old: &[OldKey]) -> Self {
        let current = Known { key: key.public(), valid_until: Timestamp::MAX, expired: None };
        let old = old.iter().map(|old| {
            (old.id.clone(), Known { key: old.public.clone(), valid_until: old.expired, expired: Some(old.expired) })
        });
        Self(old.chain([(key.id().clone(), current)]).collect())
    }

    pub(super) fn get(&self, key: &KeyId) -> Option<&Known> {
        self.0.get(key)
    }

    /// Returns the key if it signs requests at the time `now`.
    pub(super) fn for_request(&self, key: &KeyId, now: Timestamp) -> Option<PublicKey> {
        self.get(key).filter(|known| known.expired.is_none() && now <= known.valid_until).map(|known| known.key.clone())
    }

    /// Returns the key if it signed events at the time `at`.
    pub(super) fn for_event(&self, key: &KeyId, at: Timestamp) -> Option<PublicKey> {
        self.get(key).filter(|known| at <= known.expired.unwrap_or(known.valid_until)).map(|known| known.key.clone())
    }

    /// Adds what `document` says at the time `now`. What it no longer mentions is kept: old events were signed with it.
    pub(super) fn with(&self, document: &Document, now: Timestamp) -> Self {
        let valid_until = document.valid_until.min(now.saturating_add(VALIDITY_MAX));
        let mut keys: BTreeMap<_, _> = document
            .keys
            .iter()
            .map(|(id, key)| {
                let before = self.get(id).filter(|known| known.key == *key);
                // A notary may know less than we do: validity that was once stated stands, and so does the end of a key
                // unless the server brought it back after that.
                let expired = before.and_then(|known| known.expired).filter(|expired| valid_until <= *expired);
                let valid_until = before.map_or(valid_until, |known| known.valid_until.max(valid_until));
                (id.clone(), Known { key: key.clone(), valid_until, expired })
            })
            .collect();
        for (id, key, expired) in &document.old {
            let known = Known { key: key.clone(), valid_until: *expired, expired: Some(*expired) };
            keys.entry(id.clone()).or_insert(known);
        }
        let mut others: Vec<_> = self.0.iter().filter(|(id, _)| !keys.contains_key(*id)).collect();
        others.sort_by_key(|(_, known)| std::cmp::Reverse(known.valid_until));
        others.truncate(SERVER_KEYS_MAX - keys.len());
        keys.extend(others.into_iter().map(|(id, known)| (id.clone(), known.clone())));
        Self(keys)
    }

    /// Reads rows. A key that cannot be read is left out and fetched again.
    pub(super) fn from_rows(rows: Vec<StoredKey>) -> Self {
        let read = |row: StoredKey| {
            let key = PublicKey::from_base64(&row.public_key).ok()?;
            Some((row.key_id, Known { key, valid_until: row.valid_until, expired: row.expired }))
        };
        Self(rows.into_iter().filter_map(read).collect())
    }

    pub(super) fn to_rows(&self) -> Vec<StoredKey> {
        let row = |(id, known): (&KeyId, &Known)| StoredKey {
            key_id: id.clone(),
            public_key: known.key.to_base64(),
            valid_until: known.valid_until,
            expired: known.expired,
        };
        self.0.iter().map(row).collect()
    }
}

/// A key, and the entry in which it stands.
type Listed = (KeyId, PublicKey, Object);

/// Keys of another algorithm and keys that are none are skipped: they do not make the others worse.
fn listed(object: &Object, field: &'static str) -> Result<Option<Vec<Listed>>, DocumentError> {
    let Some(listed) = object.get(field) else { return Ok(None) };
    let listed = listed.as_object().ok_or(DocumentError::Field(field))?;
    let read = |(id, entry): (&String, &Value)| {
        let id = KeyId::parse(id).ok().filter(|id| id.as_str().starts_with("ed25519:"))?;
        let key = PublicKey::from_base64(entry.get("key")?.as_str()?).ok()?;
        Some((id, key, entry.as_object()?.clone()))
    };
    Ok(Some(listed.iter().filter_map(read).collect()))
}

fn keep_signatures_of(object: &mut Object, server: &ServerName) {
    if let Some(signatures) = object.get_mut("signatures").and_then(Value::as_object_mut) {
        signatures.retain(|signer, _| signer == server.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Timestamp = 24 * 60 * 60 * 1000;

    fn server() -> ServerName {
        ServerName::parse("a.test").unwrap()
    }

    fn key(version: &str) -> SigningKey {
        let seed = [version.len() as u8 + version.as_bytes()[0]; 32];
        SigningKey::from_seed(KeyId::parse(format!("ed25519:{version}")).unwrap(), &seed)
    }

    fn old(version: &str, expired: Timestamp) -> OldKey {
        OldKey { id: key(version).id().clone(), public: key(version).public(), expired }
    }

    fn parse(object: Object) -> Result<Document, DocumentError> {
        Document::parse(&server(), object)
    }

    #[test]
    fn our_own_document_is_one() {
        let document = parse(Document::own(&server(), &key("1"), &[old("0", 5)], 1000)).unwrap();
        assert_eq!(document.valid_until, 1000 + DAY);
        let keys = ServerKeys::default().with(&document, 1000);
        assert_eq!(keys.for_request(key("1").id(), 1000), Some(key("1").public()));
    }

    #[test]
    fn documents_that_prove_nothing_are_refused() {
        let good = Document::own(&server(), &key("1"), &[], 0);
        let change = |field: &str, value: Value| {
            let mut object = good.clone();
            object.insert(field.to_owned(), value);
            object.remove("signatures");
            signature::sign_json(&mut object, &server(), &key("1"));
            parse(object).unwrap_err()
        };
        assert_eq!(change("server_name", json!("b.test")), DocumentError::OtherServer);
        assert_eq!(change("valid_until_ts", json!("1")), DocumentError::Field("valid_until_ts"));
        assert_eq!(change("verify_keys", json!([])), DocumentError::Field("verify_keys"));
        assert_eq!(change("verify_keys", json!({})), DocumentError::Signature);
        let old = json!({"ed25519:0": {"key": key("0").public().to_base64()}});
        assert_eq!(change("old_verify_keys", old), DocumentError::Field("expired_ts"));
        let many: Object = (0..=DOCUMENT_KEYS_MAX)
            .map(|n| (format!("ed25519:{n}"), json!({"key": key("1").public().to_base64()})))
            .collect();
        assert_eq!(change("verify_keys", Value::Object(many)), DocumentError::TooManyKeys);
        let mut tampered = good.clone();
        tampered.insert("valid_until_ts".to_owned(), json!(1));
        assert_eq!(parse(tampered).unwrap_err(), DocumentError::Signature);
        let mut stolen = good;
        stolen.remove("signatures");
        signature::sign_json(&mut stolen, &server(), &key("2"));
        assert_eq!(parse(stolen).unwrap_err(), DocumentError::Signature);
    }

    #[test]
    fn a_weak_key_or_another_algorithm_spoils_nothing() {
        let mut object = Document::own(&server(), &key("1"), &[], 0);
        object.remove("signatures");
        let weak = format!("{}A", "A".repeat(42));
        object["verify_keys"]["ed25519:weak"] = json!({ "key": weak });
        object["verify_keys"]["curve25519:x"] = json!({ "key": key("1").public().to_base64() });
        signature::sign_json(&mut object, &server(), &key("1"));
        assert_eq!(parse(object).unwrap().keys.len(), 1);
    }

    #[test]
    fn a_key_is_valid_for_seven_days_at_most() {
        let mut document = parse(Document::own(&server(), &key("1"), &[], 0)).unwrap();
        document.valid_until = i64::MAX;
        let keys = ServerKeys::default().with(&document, 1000);
        assert!(keys.for_request(key("1").id(), 1000 + 7 * DAY).is_some());
        assert!(keys.for_request(key("1").id(), 1001 + 7 * DAY).is_none());
        assert!(keys.for_event(key("1").id(), 1001 + 7 * DAY).is_none());
    }

    #[test]
    fn an_old_key_verifies_old_events_only() {
        let document = parse(Document::own(&server(), &key("2"), &[old("1", 500)], 1000)).unwrap();
        let keys = ServerKeys::default().with(&document, 1000);
        assert!(keys.for_event(key("1").id(), 500).is_some());
        assert!(keys.for_event(key("1").id(), 501).is_none());
        assert!(keys.for_request(key("1").id(), 500).is_none());
    }

    #[test]
    fn what_a_document_no_longer_mentions_is_kept() {
        let before = parse(Document::own(&server(), &key("1"), &[old("0", 500)], 1000)).unwrap();
        let after = parse(Document::own(&server(), &key("2"), &[], 2000)).unwrap();
        let keys = ServerKeys::default().with(&before, 1000).with(&after, 2000);
        assert!(keys.for_event(key("0").id(), 500).is_some());
        assert!(keys.for_event(key("1").id(), 1000 + DAY).is_some());
        // A notary's older copy brings no validity back.
        let retired = parse(Document::own(&server(), &key("2"), &[old("1", 5000 + DAY)], 5000)).unwrap();
        let keys = keys.with(&retired, 5000).with(&before, 6000);
        assert!(keys.for_request(key("1").id(), 1000).is_none());
    }

    #[test]
    fn rows_hold_everything() {
        let document = parse(Document::own(&server(), &key("2"), &[old("1", 500)], 1000)).unwrap();
        let keys = ServerKeys::default().with(&document, 1000);
        assert_eq!(ServerKeys::from_rows(keys.to_rows()), keys);
    }
}
