//! Signing keys and signed JSON. Appendices, "Signing JSON".

use std::fmt;

use ed25519_dalek::{Signature, Signer, Verifier, VerifyingKey};

use crate::hash::{content_hash, decode_base64, encode_base64};
use crate::id::{KeyId, ServerName};
use crate::json::{self, Object, Value};
use crate::redaction::redact;
use crate::room_version::RoomVersion;

/// A server's secret key. Never logged; wiped when dropped.
pub struct SigningKey {
    id: KeyId,
    secret: ed25519_dalek::SigningKey,
}

/// A key that verifies signatures. Checked to be a point that is not weak.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Why a signature is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The object has none of that name.
    #[error("there is no signature of {0} with a key that could be had")]
    Missing(ServerName),
    /// It is there but does not verify.
    #[error("the signature of {server} with {key} does not verify")]
    Wrong {
        /// Who should have signed.
        server: ServerName,
        /// With which key.
        key: KeyId,
    },
}

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(String);

impl SigningKey {
    /// Makes a key from 32 random bytes.
    pub fn from_seed(id: KeyId, seed: &[u8; 32]) -> Self {
        Self { id, secret: ed25519_dalek::SigningKey::from_bytes(seed) }
    }

    /// Reads a signing key file: `ed25519 version base64`, as Synapse writes it.
    pub fn from_file_text(text: &str) -> Result<Self, InvalidKey> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some("ed25519"), Some(version), Some(seed), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(InvalidKey("a signing key file has one line: ed25519 VERSION BASE64".to_owned()));
        };
        let id = KeyId::parse(format!("ed25519:{version}")).map_err(|error| InvalidKey(error.to_string()))?;
        let seed = decode_base64(seed)
            .and_then(|seed| <[u8; 32]>::try_from(seed).ok())
            .ok_or_else(|| InvalidKey("the third word of a signing key file is 32 bytes in base64".to_owned()))?;
        Ok(Self::from_seed(id, &seed))
    }

    /// Writes the key as [`SigningKey::from_file_text`] reads it. The result is a secret.
    pub fn to_file_text(&self) -> String {
        let version = self.id.as_str().trim_start_matches("ed25519:");
        format!("ed25519 {version} {}\n", encode_base64(self.secret.to_bytes()))
    }

    /// The key's name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.secret.verifying_key())
    }

    /// Returns the signature of `object`, without its `signatures` and `unsigned`, in base64.
    pub fn signature_of(&self, object: &Object) -> String {
        self.sign(json::canonical_without(object, &["signatures", "unsigned"]).as_bytes())
    }

    /// Returns the signature of bytes of our own making, in base64.
    pub fn sign(&self, message: &[u8]) -> String {
        encode_base64(self.secret.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl PublicKey {
    /// Reads a key from base64. A weak key, under which anything might verify, is refused.
    pub fn from_base64(text: &str) -> Result<Self, InvalidKey> {
        let bytes = decode_base64(text)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or_else(|| InvalidKey("a verify key is 32 bytes in base64".to_owned()))?;
        let key = VerifyingKey::from_bytes(&bytes)
            .map_err(|_| InvalidKey("a verify key is a point of the curve".to_owned()))?;
        if key.is_weak() { Err(InvalidKey("the verify key is weak".to_owned())) } else { Ok(Self(key)) }
    }

    /// The key in unpadded base64.
    pub fn to_base64(&self) -> String {
        encode_base64(self.0.as_bytes())
    }

    /// Says whether `signature`, in base64, is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        decode_base64(signature)
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .is_some_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_base64())
    }
}

/// Adds the signature of `key` in the name of `server`.
pub fn sign_json(object: &mut Object, server: &ServerName, key: &SigningKey) {
    let signature = key.signature_of(object);
    insert_signature(object, server, key.id(), signature);
}

/// Hashes and signs an event as `server`, whatever it says. Hashes and signatures that it has are replaced.
///
/// Nothing is checked: [`crate::NewEvent::sign`] is how a server sends. S2S API, "Adding hashes and signatures to outgoing events".
pub fn hash_and_sign(event: &mut Object, version: RoomVersion, server: &ServerName, key: &SigningKey) {
    event.remove("signatures");
    let hash = Object::from_iter([("sha256".to_owned(), Value::String(encode_base64(content_hash(event))))]);
    event.insert("hashes".to_owned(), Value::Object(hash));
    let signature = key.signature_of(&redact(event, version));
    insert_signature(event, server, key.id(), signature);
}

/// Puts `signature` among the object's signatures, beside those that are there.
pub fn insert_signature(object: &mut Object, server: &ServerName, key: &KeyId, signature: String) {
    let signatures = object.entry("signatures").or_insert_with(|| Value::Object(Object::new()));
    if !signatures.is_object() {
        *signatures = Value::Object(Object::new());
    }
    let of_server = signatures
        .as_object_mut()
        .map(|all| all.entry(server.as_str()).or_insert_with(|| Value::Object(Object::new())));
    if let Some(of_server) = of_server {
        if !of_server.is_object() {
            *of_server = Value::Object(Object::new());
        }
        if let Some(of_server) = of_server.as_object_mut() {
            of_server.insert(key.as_str().to_owned(), Value::String(signature));
        }
    }
}

/// Returns the Ed25519 signatures that `object` claims to have of `server`.
pub fn signatures_of(object: &Object, server: &ServerName) -> Vec<(KeyId, String)> {
    let of_server = object.get("signatures").and_then(|all| all.get(server.as_str())).and_then(Value::as_object);
    of_server
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with("ed25519:"))
        .filter_map(|(key, signature)| Some((KeyId::parse(key).ok()?, signature.as_str()?.to_owned())))
        .collect()
}

/// Checks the signatures of `server` on `object` by the keys that `key_of` knows; at least one is needed, none may be wrong.
pub fn verify_json(
    object: &Object,
    server: &ServerName,
    key_of: impl Fn(&KeyId) -> Option<PublicKey>,
) -> Result<(), SignatureError> {
    let message = json::canonical_without(object, &["signatures", "unsigned"]);
    let mut verified = false;
    for (key, signature) in signatures_of(object, server) {
        // Signatures by unknown keys are skipped. S2S API, "Validating hashes and signatures on received events".
        let Some(public) = key_of(&key) else { continue };
        if !public.verifies(message.as_bytes(), &signature) {
            return Err(SignatureError::Wrong { server: server.clone(), key });
        }
        verified = true;
    }
    if verified { Ok(()) } else { Err(SignatureError::Missing(server.clone())) }
}
