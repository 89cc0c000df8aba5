//! Passwords: argon2id, in PHC format, computed where work belongs.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use handles::{Compute, Random};

/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 512;
/// Blocks of 1 KiB that are reserved for a hash, of which it uses as many as it needs.
///
/// The C library gives what is larger than 32 MiB back to the system at once, as `mallopt(3)` says. The 19 MiB of a hash it would
/// keep, once for each of the many threads that may have computed one: a gigabyte, after a thousand logins.
const RESERVED_BLOCKS: usize = 33 * 1024;
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
        .run(move || {
            let (params, salt) = (Params::default(), Salt::new(&salt).ok()?);
            let hash = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params).ok()?,
                salt: Some(salt),
                hash: Some(output(params, &password, &salt, Params::DEFAULT_OUTPUT_LEN)?),
            };
            Some(hash.to_string())
        })
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
                let hash = output(Params::default(), &password, &[0; SALT_BYTES], Params::DEFAULT_OUTPUT_LEN);
                let _: Option<Output> = std::hint::black_box(hash);
                return Verdict::Wrong;
            };
            if matches(&stored, &password) == Some(true) { Verdict::Right } else { Verdict::Wrong }
        })
        .await
}

/// Says whether `password` gives the hash `stored`. `None` if that is no hash of ours.
fn matches(stored: &str, password: &str) -> Option<bool> {
    let stored = PasswordHash::new(stored).ok()?;
    let is_ours = stored.algorithm == Algorithm::Argon2id.ident() && stored.version == Some(Version::V0x13.into());
    let (salt, expected) = (stored.salt?, stored.hash?);
    let params = Params::try_from(&stored).ok().filter(|_| is_ours)?;
    // Two outputs are compared in constant time.
    Some(output(params, password, &salt, expected.len())? == expected)
}

/// Argon2id at the cost that `params` say. Their default is what OWASP recommends: 19 MiB, two passes, one lane; stored hashes
/// carry their own.
fn output(params: Params, password: &str, salt: &[u8], bytes: usize) -> Option<Output> {
    let count = params.block_count();
    let mut memory = Vec::with_capacity(count.max(RESERVED_BLOCKS));
    memory.resize(count, Block::default());
    let mut out = vec![0; bytes];
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    hasher.hash_password_into_with_memory(password.as_bytes(), salt, &mut out, &mut memory).ok()?;
    Output::new(&out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the password `a`, by libsodium.
    const STORED: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$wocMK8+/dW5fq7MGdfNjEA$PkKPIg2rVO2lFbwXA+iRzYrLgOv0wZnRYKScEC82r3A";

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
            // Another implementation made it.
            ("a", Some(STORED.to_owned()), Verdict::Right),
            ("wonderland", None, Verdict::Wrong),
        ] {
            assert_eq!(verify(&handles.compute, stored, password).await, expected, "{password}");
        }
        let again = hash(&handles.compute, &*handles.random, "wonderland").await.unwrap();
        assert_ne!(again, stored, "each hash has its own salt");
        assert_eq!(hash(&handles.compute, &*handles.random, &"a".repeat(PASSWORD_BYTES_MAX + 1)).await, None);
    }
}
