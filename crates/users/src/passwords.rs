//! Passwords: argon2id, in PHC format, computed where work belongs.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use handles::{Compute, Random};

/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 512;
/// Bytes of a salt.
const SALT_BYTES: usize = 16;

/// Whether a password is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    Wrong,
}

/// Returns the hash to store for `password`. `None` if it is too long.
pub(crate) async fn hash(compute: &Compute, random: &dyn Random, password: &str) -> Option<String> {
    if password.len() > PASSWORD_BYTES_MAX {
        return None;
    }
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt);
    let password = password.to_owned();
    compute
        .run(move || hasher().hash_password_with_salt(password.as_bytes(), &salt).map(|hash| hash.to_string()).ok())
        .await
}

/// Says whether `password` belongs to `stored`. Takes as long if there is nothing to compare with, so that nobody learns from
/// the time which accounts there are.
pub(crate) async fn verify(compute: &Compute, stored: Option<String>, password: &str) -> Verdict {
    if password.len() > PASSWORD_BYTES_MAX {
        return Verdict::Wrong;
    }
    let password = password.to_owned();
    compute
        .run(move || {
            let Some(stored) = stored else {
                drop(hasher().hash_password_with_salt(password.as_bytes(), &[0; SALT_BYTES]));
                return Verdict::Wrong;
            };
            let is_right = PasswordHash::new(&stored)
                .is_ok_and(|parsed| hasher().verify_password(password.as_bytes(), &parsed).is_ok());
            if is_right { Verdict::Right } else { Verdict::Wrong }
        })
        .await
}

/// The cost that OWASP recommends for argon2id: 19 MiB, two passes, one lane. Stored hashes carry their own.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_verifies() {
        let handles = handles::Handles::simulated(1);
        let stored = hash(&handles.compute, &*handles.random, "wonderland").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        for (password, stored, expected) in [
            ("wonderland", Some(stored.clone()), Verdict::Right),
            ("Wonderland", Some(stored.clone()), Verdict::Wrong),
            ("", Some(stored.clone()), Verdict::Wrong),
            ("wonderland", Some("no hash".to_owned()), Verdict::Wrong),
            ("wonderland", None, Verdict::Wrong),
        ] {
            assert_eq!(verify(&handles.compute, stored, password).await, expected, "{password}");
        }
        let again = hash(&handles.compute, &*handles.random, "wonderland").await.unwrap();
        assert_ne!(again, stored, "each hash has its own salt");
        assert_eq!(hash(&handles.compute, &*handles.random, &"a".repeat(PASSWORD_BYTES_MAX + 1)).await, None);
    }
}
