//! The file of our signing key: `ed25519 a_AbCd BASE64`, as Synapse writes it, so that a file of Synapse works as it is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use events::{KeyId, SigningKey};
use handles::Random;

use crate::data_dir;

/// Public halves of keys whose secret everybody knows.
const KNOWN_KEYS: [(&str, &str); 2] = [
    ("XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI", "the example of the Matrix specification"),
    ("l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og", "the key that ESS Community shipped to everybody (CVE-2026-24044)"),
];

/// The signing key cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningKeyError {
    #[error("cannot read the signing key {path}: {reason}", path = path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("cannot write the signing key {path}: {reason}", path = path.display())]
    Unwritable { path: PathBuf, reason: std::io::Error },
    #[error(
        "the signing key {path} is broken: {reason}; restore it from a backup. Without it, delete the file: a new key is \
         made at the next start",
        path = path.display()
    )]
    Broken { path: PathBuf, reason: String },
    #[error(
        "the signing key {path} is no secret: it is {whose}; delete the file, a new key is made at the next start",
        path = path.display()
    )]
    Known { path: PathBuf, whose: &'static str },
}

/// Reads the key at `path`. `None` if there is no such file.
pub(crate) fn load(path: &Path) -> Result<Option<SigningKey>, SigningKeyError> {
    let unreadable = |reason| SigningKeyError::Unreadable { path: path.to_owned(), reason };
    let Some(text) = data_dir::read_file(path).map_err(unreadable)? else { return Ok(None) };
    if text.trim().is_empty() {
        return Err(SigningKeyError::Broken { path: path.to_owned(), reason: "the file is empty".to_owned() });
    }
    let key = SigningKey::from_file_text(&text)
        .map_err(|error| SigningKeyError::Broken { path: path.to_owned(), reason: error.to_string() })?;
    match known_to_all(&key) {
        Some(whose) => Err(SigningKeyError::Known { path: path.to_owned(), whose }),
        None => Ok(Some(key)),
    }
}

/// Reads the key at `path`, or makes one there that only we can read.
pub(crate) fn load_or_create(path: &Path, random: &(dyn Random + 'static)) -> Result<SigningKey, SigningKeyError> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let mut seed = [0; 32];
    random.fill(&mut seed);
    // As Synapse names its keys: other servers have seen such names.
    let id = KeyId::parse(format!("ed25519:a_{}", random.token(4))).expect("letters and digits are a key id");
    let key = SigningKey::from_seed(id, &seed);
    data_dir::write_file(path, &key.to_file_text())
        .map_err(|reason| SigningKeyError::Unwritable { path: path.to_owned(), reason })?;
    tracing::info!(key.id = %key.id(), "Made the signing key {}: keep a copy of this file", path.display());
    Ok(key)
}

/// Says in words that others than the owner can read the file at `path`, if that is so.
pub(crate) fn exposure(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        format!("others can read the signing key {path} (mode {:03o}): run chmod 600 {path}", mode & 0o777)
    })
}

fn known_to_all(key: &SigningKey) -> Option<&'static str> {
    let public = key.public().to_base64();
    // The seeds that a broken generator leaves: the same byte 32 times.
    let repeated = (0..=u8::MAX).map(|byte| SigningKey::from_seed(key.id().clone(), &[byte; 32]));
    if repeated.into_iter().any(|repeated| repeated.public() == key.public()) {
        return Some("one byte, repeated");
    }
    KNOWN_KEYS.iter().find(|(known, _)| *known == public).map(|(_, whose)| *whose)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use handles::SeededRandom;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let made = load_or_create(&path, &SeededRandom::new(1)).unwrap();
        assert!(made.id().as_str().starts_with("ed25519:a_"), "{}", made.id());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(exposure(&path), None);
        let read = load_or_create(&path, &SeededRandom::new(2)).unwrap();
        assert_eq!((read.id(), read.public()), (made.id(), made.public()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_synapse_works_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        std::fs::write(&path, "ed25519 a_KsGl 3bCbBmzdMTeCnzxLrZwmkVQYrRHvRLA1hkQN4jtKPGw\n").unwrap();
        assert_eq!(load(&path).unwrap().unwrap().id().as_str(), "ed25519:a_KsGl");
    }

    #[test]
    fn keys_that_are_none_or_no_secret_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        assert!(load(&path).unwrap().is_none());
        for (text, expected) in [
            ("", "the file is empty"),
            ("\n", "the file is empty"),
            ("ed25519 1 AAAA", "32 bytes"),
            ("-----BEGIN PRIVATE KEY-----", "one line"),
            ("ed25519 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "one byte, repeated"),
            ("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1", "the example of the Matrix specification"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(exposure(&path).unwrap().contains("mode 640"));
    }
}
