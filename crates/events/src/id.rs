//! Identifiers. Appendices, "Identifier grammar".
//!
//! An [`Id`] is text whose grammar was checked once, cheap to clone and to compare.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::FIELD_BYTES_MAX;

/// An identifier of one kind.
pub struct Id<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

/// What makes a text an identifier of this kind.
pub trait Kind {
    /// What a person calls it: "user id".
    const NAME: &'static str;
    /// Says whether `text` follows the grammar.
    fn accepts(text: &str) -> bool;
}

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

/// The kind of [`ServerName`].
pub enum ServerNameKind {}
/// The kind of [`UserId`].
pub enum UserIdKind {}
/// The kind of [`RoomId`].
pub enum RoomIdKind {}
/// The kind of [`RoomAlias`].
pub enum RoomAliasKind {}
/// The kind of [`EventId`].
pub enum EventIdKind {}
/// The kind of [`KeyId`].
pub enum KeyIdKind {}

/// The name of a homeserver: a host name or an IP literal, with or without a port.
pub type ServerName = Id<ServerNameKind>;
/// `@localpart:server`. Historical localparts are accepted, as servers must.
pub type UserId = Id<UserIdKind>;
/// `!opaque:server`, or `!hash` from room version 12 on.
pub type RoomId = Id<RoomIdKind>;
/// `#name:server`
pub type RoomAlias = Id<RoomAliasKind>;
/// `$opaque:server` in room versions 1 and 2, `$hash` later.
pub type EventId = Id<EventIdKind>;
/// `ed25519:version`, the name of a signing key.
pub type KeyId = Id<KeyIdKind>;

impl<K: Kind> Id<K> {
    /// Checks `text` against the grammar.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        let text = text.as_ref();
        if K::accepts(text) {
            Ok(Self { text: text.into(), kind: PhantomData })
        } else {
            let shown = text.chars().take(FIELD_BYTES_MAX).collect();
            Err(InvalidId { kind: K::NAME, text: shown })
        }
    }
}

impl<K> Id<K> {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, sharing its memory with `text` if that is equal.
    pub(crate) fn sharing(&self, text: &Arc<str>) -> Self {
        let text = if self.text == *text { text } else { &self.text };
        Self { text: Arc::clone(text), kind: PhantomData }
    }

    /// What stands behind the first colon, if anything does.
    fn after_colon(&self) -> Option<&str> {
        self.text.split_once(':').map(|(_, server)| server)
    }
}

impl ServerName {
    /// The host name or IP literal, without the port; an IPv6 literal keeps its brackets.
    pub fn host(&self) -> &str {
        split_port(&self.text).0
    }

    /// The port, if the name has one.
    pub fn port(&self) -> Option<u16> {
        split_port(&self.text).1.and_then(|port| port.parse().ok())
    }
}

impl UserId {
    /// The server that the user belongs to.
    pub fn server(&self) -> ServerName {
        ServerName::parse(self.after_colon().unwrap_or_default())
            .expect("the grammar of user ids includes the server name")
    }

    /// What stands between `@` and the first colon.
    pub fn localpart(&self) -> &str {
        self.text[1..].split(':').next().unwrap_or_default()
    }
}

impl RoomAlias {
    /// The server that keeps the alias.
    pub fn server(&self) -> ServerName {
        ServerName::parse(self.after_colon().unwrap_or_default())
            .expect("the grammar of aliases includes the server name")
    }
}

impl RoomId {
    /// The server in the id of a room before version 12. It says who made the room, not who is in it.
    pub fn server(&self) -> Option<ServerName> {
        self.after_colon().and_then(|server| ServerName::parse(server).ok())
    }

    /// The room that `create` opens in room version 12: its id with `!` for `$`.
    pub fn of_create_event(create: &EventId) -> Self {
        Self { text: format!("!{}", &create.text[1..]).into(), kind: PhantomData }
    }

    /// The create event of a room of version 12.
    pub fn create_event(&self) -> EventId {
        Id { text: format!("${}", &self.text[1..]).into(), kind: PhantomData }
    }
}

impl EventId {
    /// The server in an event id of room versions 1 and 2.
    pub fn server(&self) -> Option<ServerName> {
        self.after_colon().and_then(|server| ServerName::parse(server).ok())
    }
}

impl Kind for ServerNameKind {
    const NAME: &'static str = "server name";
    fn accepts(text: &str) -> bool {
        is_server_name(text)
    }
}

impl Kind for UserIdKind {
    const NAME: &'static str = "user id";
    fn accepts(text: &str) -> bool {
        // Historical user ids have any character but a colon and NUL in their localpart, or none at all.
        has_sigil_and_server(text, '@')
    }
}

impl Kind for RoomAliasKind {
    const NAME: &'static str = "room alias";
    fn accepts(text: &str) -> bool {
        has_sigil_and_server(text, '#')
    }
}

impl Kind for RoomIdKind {
    const NAME: &'static str = "room id";
    fn accepts(text: &str) -> bool {
        is_opaque(text, '!')
    }
}

impl Kind for EventIdKind {
    const NAME: &'static str = "event id";
    fn accepts(text: &str) -> bool {
        is_opaque(text, '$')
    }
}

impl Kind for KeyIdKind {
    const NAME: &'static str = "key id";
    fn accepts(text: &str) -> bool {
        // It is written between quotes in headers.
        text.len() <= FIELD_BYTES_MAX
            && text.split_once(':').is_some_and(|(algorithm, version)| !algorithm.is_empty() && !version.is_empty())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    }
}

/// Code points, not bytes: until room version 10 an event with an id over 255 bytes, but not over 255 code points, exists
/// and is rejected; [`crate::pdu`] counts the bytes.
fn is_short(text: &str) -> bool {
    text.len() <= FIELD_BYTES_MAX || text.chars().count() <= FIELD_BYTES_MAX
}

fn has_sigil_and_server(text: &str, sigil: char) -> bool {
    is_short(text)
        && !text.contains('\0')
        && text
            .strip_prefix(sigil)
            .and_then(|rest| rest.split_once(':'))
            .is_some_and(|(_, server)| is_server_name(server))
}

fn is_opaque(text: &str, sigil: char) -> bool {
    text.len() > 1 && is_short(text) && text.starts_with(sigil) && !text.contains('\0')
}

/// Appendices, "Server name": an IPv4 address, an IPv6 address in brackets or a DNS name, then perhaps a port.
fn is_server_name(text: &str) -> bool {
    if text.is_empty() || text.len() > FIELD_BYTES_MAX {
        return false;
    }
    let (host, port) = split_port(text);
    let port_is_valid = port.is_none_or(|port| {
        !port.is_empty()
            && port.len() <= 5
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    });
    port_is_valid && is_host(host)
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
    match text[after_bracket..].find(':') {
        Some(at) => (&text[..after_bracket + at], Some(&text[after_bracket + at + 1..])),
        None => (text, None),
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self { text: Arc::clone(&self.text), kind: PhantomData }
    }
}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text) || self.text == other.text
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<K> Borrow<str> for Id<K> {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl<K> AsRef<str> for Id<K> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl<K> PartialEq<str> for Id<K> {
    fn eq(&self, other: &str) -> bool {
        &*self.text == other
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_follow_the_grammar() {
        for good in
            ["matrix.org", "matrix.org:8888", "1.2.3.4", "1.2.3.4:1234", "[1234:5678::abcd]", "[::1]:5678", "localhost"]
        {
            assert!(ServerName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ":80", "a_b", "a b", "a:b", "a:", "[::1", "::1", "a:99999", "a:1:2", "ex/ample"] {
            assert!(ServerName::parse(bad).is_err(), "{bad}");
        }
        let name = ServerName::parse("[::1]:5678").unwrap();
        assert_eq!((name.host(), name.port()), ("[::1]", Some(5678)));
    }

    #[test]
    fn user_ids_keep_their_server_with_port() {
        let user = UserId::parse("@alice:example.org:8448").unwrap();
        assert_eq!((user.localpart(), user.server().as_str()), ("alice", "example.org:8448"));
        for bad in ["alice:example.org", "@alice", "@alice:", "@a:b_c", "@\0:a.org"] {
            assert!(UserId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_12_room_is_named_after_its_create_event() {
        let create = EventId::parse("$abc").unwrap();
        let room = RoomId::of_create_event(&create);
        assert_eq!(room.as_str(), "!abc");
        assert_eq!(room.create_event(), create);
    }
}
