//! Server ACLs. C-S API, "Server Access Control Lists (ACLs) for rooms".

use events::{Object, ServerName, Value};

use crate::limits::ACL_ENTRIES_MAX;

/// Which servers may take part in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAcl {
    allow: Vec<String>,
    deny: Vec<String>,
    allow_ip_literals: bool,
}

impl ServerAcl {
    /// Reads the content of an `m.room.server_acl` event. What is of the wrong type counts as absent, and an absent `allow`
    /// allows nobody.
    pub fn parse(content: &Object) -> Self {
        let patterns = |key: &str| -> Vec<String> {
            let entries = content.get(key).and_then(Value::as_array).into_iter().flatten();
            entries.take(ACL_ENTRIES_MAX).filter_map(Value::as_str).map(str::to_ascii_lowercase).collect()
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
        let matches =
            |patterns: &[String]| patterns.iter().any(|pattern| glob_matches(pattern.as_bytes(), host.as_bytes()));
        !matches(&self.deny) && matches(&self.allow)
    }
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
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = "*a".repeat(500) + "b";
        let text = "a".repeat(2_000);
        assert!(!glob_matches(pattern.as_bytes(), text.as_bytes()));
        assert!(glob_matches(b"m?trix.*", b"matrix.org"));
    }
}
