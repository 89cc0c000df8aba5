//! The file of the public halves of all keys that this server signs and has signed with. The database knows them too, but one that
//! is restored from a backup does not know those that came after it, and nobody could verify any more what they signed.

use std::path::{Path, PathBuf};

use events::{KeyId, PublicKey, SigningKey};
use persistence::transactions::identity::OwnKey;
use transport::OldKey;
use transport::key_ring::to_file;

use crate::data_dir;

const HEADER: &str = "\
# What this server signs and has signed with: name, public key, and when its use ended, in milliseconds since 1970.
# Written at each start. When you restore a backup, keep this file rather than the one in the backup.
";

/// The file is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublicKeysError {
    #[error("cannot read the public keys {path}: {reason}", path = path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("cannot write the public keys {path}: {reason}", path = path.display())]
    Unwritable { path: PathBuf, reason: std::io::Error },
    #[error(
        "line {line} of the public keys {path} is broken: {reason}; mend it, or delete the file, which is then made anew from the \
         database: keys that only the file knows are lost by that",
        path = path.display()
    )]
    Broken { path: PathBuf, line: usize, reason: String },
}

/// Reads the keys at `path`; none if there is no such file.
pub(crate) fn load(path: &Path) -> Result<Vec<OwnKey>, PublicKeysError> {
    let unreadable = |reason| PublicKeysError::Unreadable { path: path.to_owned(), reason };
    let Some(text) = data_dir::read_file(path).map_err(unreadable)? else { return Ok(Vec::new()) };
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            parse(line).map_err(|reason| PublicKeysError::Broken { path: path.to_owned(), line: number, reason })
        })
        .collect()
}

/// Writes down that `key` is in use, and that the `old` ones were, if the file does not say so already.
pub(crate) fn save(path: &Path, key: &SigningKey, old: &[OldKey]) -> Result<(), PublicKeysError> {
    let lines: String = to_file(key, old).iter().map(line).collect();
    let text = format!("{HEADER}{lines}");
    if std::fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    data_dir::write_file(path, &text).map_err(|reason| PublicKeysError::Unwritable { path: path.to_owned(), reason })
}

fn line(key: &OwnKey) -> String {
    let expired = key.expired.map(|expired| format!(" {expired}")).unwrap_or_default();
    format!("{} {}{expired}\n", key.key_id, key.public_key)
}

fn parse(line: &str) -> Result<OwnKey, String> {
    let mut words = line.split_whitespace();
    let (Some(id), Some(public), expired, None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err("it is not of the form ed25519:NAME BASE64 [MILLISECONDS]".to_owned());
    };
    let public_key = PublicKey::from_base64(public).map_err(|error| error.to_string())?.to_base64();
    let expired = expired.map(|expired| expired.parse().map_err(|_| format!("{expired} is no number of milliseconds")));
    Ok(OwnKey {
        key_id: KeyId::parse(id).map_err(|error| error.to_string())?,
        public_key,
        expired: expired.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(KeyId::parse(format!("ed25519:{version}")).unwrap(), &[seed; 32])
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("public.keys");
        assert_eq!(load(&path).unwrap(), []);
        let old = OldKey { id: key("1", 1).id().clone(), public: key("1", 1).public(), expired: 30 };
        save(&path, &key("2", 2), std::slice::from_ref(&old)).unwrap();
        assert_eq!(load(&path).unwrap(), to_file(&key("2", 2), &[old]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("public.keys");
        let public = key("1", 1).public().to_base64();
        for (line, expected) in [
            ("ed25519:1", "not of the form"),
            (&*format!("ed25519:1 {public} 5 6"), "not of the form"),
            (&*format!("ed25519:1 {public} soon"), "soon is no number"),
            (&*format!("1 {public}"), "key"),
            ("ed25519:1 AAAA", "32 bytes"),
        ] {
            std::fs::write(&path, format!("# a comment\n\n{line}\n")).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.contains("line 3") && error.contains(expected), "{line:?} gave {error:?}");
        }
    }
}
