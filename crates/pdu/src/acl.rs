//! Server ACLs. C-S API, "Server Access Control Lists (ACLs) for rooms"; S2S API, "Server Access Control Lists".

use std::collections::HashSet;
use std::sync::Arc;

use events::limits::FIELD_BYTES_MAX;
use events::{Object, RoomVersion, ServerName, Value};
use persistence::transactions::{events as event_rows, rooms as room_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::graph::Graph;
use crate::limits::{ACL_ENTRIES_CACHED_MAX, ACL_ENTRIES_MAX};

/// Which servers may take part in a room, ready to be asked often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAcl {
    allow: Patterns,
    deny: Patterns,
    allow_ip_literals: bool,
}

/// Names and patterns, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Patterns {
    names: HashSet<String>,
    /// Those with a `*` or `?`.
    globs: Vec<String>,
}

/// The ACLs of rooms, compiled. What is shown of an event changes only with its condition.
pub(crate) struct Acls(Cache<Key, Arc<ServerAcl>, ByEntries>);

/// An event, whether it is redacted, and whether the stored copy is mangled.
type Key = (EventNumber, (bool, bool));

#[derive(Clone)]
struct ByEntries;

impl Weighter<Key, Arc<ServerAcl>> for ByEntries {
    fn weight(&self, _: &Key, acl: &Arc<ServerAcl>) -> u64 {
        let entries = acl.allow.len() + acl.deny.len();
        u64::try_from(entries).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Default for Acls {
    fn default() -> Self {
        Self(Cache::with_weighter(1_000, ACL_ENTRIES_CACHED_MAX, ByEntries))
    }
}

impl Graph {
    /// Returns the room's ACL, if it has one.
    pub fn server_acl(
        &self,
        tx: &ReadTx<'_>,
        room: RoomNumber,
        version: RoomVersion,
    ) -> Result<Option<Arc<ServerAcl>>, StoreError> {
        let Some(event) = room_rows::current(tx, room, "m.room.server_acl", "")? else { return Ok(None) };
        let Some(condition) = event_rows::condition(tx, event)? else { return Ok(None) };
        let key = (event, condition);
        if let Some(acl) = self.acls().0.get(&key) {
            return Ok(Some(acl));
        }
        let Some(stored) = event_rows::load(tx, version, event)? else { return Ok(None) };
        let acl = Arc::new(ServerAcl::parse(stored.visible().content()));
        self.acls().0.insert(key, Arc::clone(&acl));
        Ok(Some(acl))
    }
}

impl ServerAcl {
    /// Reads the content of an `m.room.server_acl` event. What is of the wrong type counts as absent, and an absent `allow`
    /// allows nobody.
    pub fn parse(content: &Object) -> Self {
        let patterns = |key: &str| {
            let entries = content.get(key).and_then(Value::as_array).into_iter().flatten();
            Patterns::new(entries.take(ACL_ENTRIES_MAX).filter_map(Value::as_str))
        };
        Self {
            allow: patterns("allow"),
            deny: patterns("deny"),
            allow_ip_literals: content.get("allow_ip_literals").and_then(Value::as_bool).unwrap_or(true),
        }
    }

    /// Says whether `server` may take part. Ports are ignored.
    pub fn allows(&self, server: &ServerName) -> bool {
        let host = server.host().to_ascii_lowercase();
        let is_ip_literal = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        if is_ip_literal && !self.allow_ip_literals {
            return false;
        }
        !self.deny.matches(&host) && self.allow.matches(&host)
    }
}

impl Patterns {
    fn new<'a>(entries: impl Iterator<Item = &'a str>) -> Self {
        let mut patterns = Self::default();
        for entry in entries {
            let entry = collapsed(&entry.to_ascii_lowercase());
            // A name has 255 bytes at most, and each character of a pattern but `*` stands for at least one of them: a longer
            // pattern matches nothing.
            if entry.bytes().filter(|byte| *byte != b'*').count() > FIELD_BYTES_MAX {
                continue;
            }
            if entry.contains(['*', '?']) {
                patterns.globs.push(entry);
            } else {
                patterns.names.insert(entry);
            }
        }
        patterns
    }

    fn len(&self) -> usize {
        self.names.len() + self.globs.len()
    }

    fn matches(&self, host: &str) -> bool {
        self.names.contains(host) || self.globs.iter().any(|glob| glob_matches(glob.as_bytes(), host.as_bytes()))
    }
}

/// Writes each run of `*` as one, which means the same.
fn collapsed(pattern: &str) -> String {
    let mut collapsed = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        if character != '*' || !collapsed.ends_with('*') {
            collapsed.push(character);
        }
    }
    collapsed
}

/// Matches `*` (anything) and `?` (one character). Takes time linear in the product of the lengths, whatever the pattern.
fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match star {
                Some((at, covered)) => {
                    star = Some((at, covered + 1));
                    p = at + 1;
                    t = covered + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn acl(content: serde_json::Value) -> ServerAcl {
        ServerAcl::parse(content.as_object().unwrap())
    }

    #[test]
    fn deny_wins_over_allow_and_nobody_is_allowed_by_default() {
        let acl = acl(json!({"allow": ["*"], "deny": ["*.evil.com", "evil.com"], "allow_ip_literals": false}));
        for (server, allowed) in [
            ("good.org", true),
            ("good.org:8448", true),
            ("evil.com", false),
            ("EVIL.com:1", false),
            ("a.evil.com", false),
            ("1.2.3.4", false),
            ("[::1]:8448", false),
        ] {
            assert_eq!(acl.allows(&ServerName::parse(server).unwrap()), allowed, "{server}");
        }
        assert!(!self::acl(json!({})).allows(&ServerName::parse("good.org").unwrap()));
    }

    #[test]
    fn a_list_as_long_as_an_event_allows_is_asked_in_little_time() {
        let many =
            |pattern: &str, count: usize| -> Vec<String> { (0..count).map(|n| format!("{pattern}{n}")).collect() };
        let acl = acl(json!({"allow": ["*"], "deny": many("*a*a*a*b", 5_000)}));
        let slow = ServerName::parse(format!("{}.org", "a".repeat(60))).unwrap();
        for _ in 0..20 {
            assert!(acl.allows(&slow));
        }
        let names = self::acl(json!({"allow": ["*"], "deny": many("x", ACL_ENTRIES_MAX)}));
        assert!(names.deny.globs.is_empty());
        assert!(!names.allows(&ServerName::parse("x21999").unwrap()));
    }

    #[test]
    fn a_pattern_of_many_stars_is_one_star() {
        let acl = acl(json!({"allow": ["*"], "deny": ["*".repeat(60_000) + ".evil.com", "y".repeat(300)]}));
        assert_eq!(acl.deny.globs, ["*.evil.com"]);
        assert!(acl.deny.names.is_empty());
        assert!(!acl.allows(&ServerName::parse("a.evil.com").unwrap()));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = "*a".repeat(500) + "b";
        let text = "a".repeat(2_000);
        assert!(!glob_matches(pattern.as_bytes(), text.as_bytes()));
        assert!(glob_matches(b"m?trix.*", b"matrix.org"));
    }
}
