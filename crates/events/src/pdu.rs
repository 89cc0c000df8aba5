//! Events as they travel between servers. S2S API, "PDUs"; room version specifications, "Event format".
//!
//! A stranger's JSON becomes a [`ParsedPdu`] (its format is right, its id known) and, once its signatures are checked, a
//! [`Pdu`]. Nothing else in Althing takes an event.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hash::content_hash_matches;
use crate::id::{EventId, KeyId, RoomId, ServerName, UserId};
use crate::json::{self, Object, Value};
use crate::limits::PDU_SIZE_BYTES_MAX;
use crate::redaction::redact;
use crate::reference::Reference;
use crate::room_version::{EventIdFormat, RoomVersion};
use crate::signature::{self, PublicKey, SignatureError, SigningKey};
use fields::Fields;

pub use fields::FormatError;

mod fields;

/// An event whose format and size are right for its room version. Its signatures have not been looked at.
#[derive(Debug, Clone)]
pub struct ParsedPdu {
    fields: Fields,
    object: Object,
}

/// An event whose format, size, hash and signatures are right for its room version. Cheap to clone.
///
/// Only [`ParsedPdu::verify`], [`crate::NewEvent::sign`] and [`Pdu::from_store`] make one, so whoever holds one need not
/// ask again.
#[derive(Debug, Clone)]
pub struct Pdu(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    fields: Fields,
    object: Object,
    mangled: bool,
    signed_by: BTreeSet<ServerName>,
}

impl ParsedPdu {
    /// Checks the format of `object` for a room of `version` and computes its id.
    ///
    /// `unsigned` is dropped: nothing in it is signed, and nothing of a peer's is believed.
    pub fn parse(object: Object, version: RoomVersion) -> Result<Self, FormatError> {
        Self::parse_with(object, version, None)
    }

    /// Like [`ParsedPdu::parse`], for an object of which [`crate::hash::event_id`] has just said the id: to compute it takes as long
    /// as all else.
    pub fn parse_identified(object: Object, version: RoomVersion, event_id: EventId) -> Result<Self, FormatError> {
        Self::parse_with(object, version, Some(event_id))
    }

    fn parse_with(mut object: Object, version: RoomVersion, known_id: Option<EventId>) -> Result<Self, FormatError> {
        if object.remove("unsigned").is_some_and(|unsigned| !unsigned.is_object()) {
            return Err(FormatError::Wrong { field: "unsigned", expected: "an object" });
        }
        let rules = version.rules();
        if rules.strict_json {
            json::check_strict(&object)?;
        } else {
            json::check_finite(&object)?;
        }
        let size = json::canonical(&object).len();
        if size > PDU_SIZE_BYTES_MAX {
            return Err(FormatError::TooLarge(size));
        }
        let fields = Fields::parse(&object, version, known_id)?;
        Ok(Self { fields, object })
    }

    /// The event's id.
    pub fn event_id(&self) -> &EventId {
        &self.fields.event_id
    }

    /// The event's room.
    pub fn room_id(&self) -> &RoomId {
        &self.fields.room_id
    }

    /// The user that sent it.
    pub fn sender(&self) -> &UserId {
        &self.fields.sender
    }

    /// The sender's clock when it was made, in milliseconds since 1970. Not to be believed.
    pub fn origin_server_ts(&self) -> i64 {
        self.fields.origin_server_ts
    }

    /// Events that it names as its parents.
    pub fn prev_events(&self) -> &[EventId] {
        &self.fields.prev_events
    }

    /// Events that it names as its permission.
    pub fn auth_events(&self) -> &[EventId] {
        &self.fields.auth_events
    }

    /// Returns the servers whose signatures the event needs.
    ///
    /// S2S API, "Validating hashes and signatures on received events"; auth rule "If `content` has a
    /// `join_authorised_via_users_server` key" (room version 8).
    pub fn required_signatures(&self) -> BTreeSet<ServerName> {
        let mut servers = BTreeSet::new();
        // A third-party invite is proved by the identity server's signature, and may be sent by another server.
        if !self.is_third_party_invite() {
            servers.insert(self.fields.sender.server());
        }
        let rules = self.fields.version.rules();
        if rules.event_id == EventIdFormat::Chosen {
            servers.extend(self.fields.event_id.server());
        }
        if rules.auth.restricted_joins {
            servers.extend(join_authorised_by(&self.fields.event_type, &self.object));
        }
        servers
    }

    /// Returns the keys that the required signatures claim to be made with.
    pub fn claimed_keys(&self) -> Vec<(ServerName, KeyId)> {
        let servers = self.required_signatures();
        let keys = |server: ServerName| {
            signature::signatures_of(&self.object, &server).into_iter().map(move |(key, _)| (server.clone(), key))
        };
        servers.into_iter().flat_map(keys).collect()
    }

    /// Checks signatures, then the content hash; on a wrong hash goes on with the redacted event, marked as mangled.
    ///
    /// `key_of` returns a server's key if it was valid when the event was made, as far as the room version asks for that.
    pub fn verify(self, key_of: impl Fn(&ServerName, &KeyId) -> Option<PublicKey>) -> Result<Pdu, SignatureError> {
        let redacted = redact(&self.object, self.fields.version);
        let signed_by = self.required_signatures();
        for server in &signed_by {
            signature::verify_json(&redacted, server, |key| key_of(server, key))?;
        }
        let mangled = !content_hash_matches(&self.object);
        let object = if mangled { redacted } else { self.object };
        Ok(Pdu(Arc::new(Checked { fields: self.fields, object, mangled, signed_by })))
    }

    /// Adds our signature to a restricted join that a user of ours authorises, before its signatures are checked: ours is
    /// among those that it needs. The caller has checked that it may join.
    pub fn authorised(mut self, server: &ServerName, key: &SigningKey) -> Self {
        let signature = key.signature_of(&redact(&self.object, self.fields.version));
        signature::insert_signature(&mut self.object, server, key.id(), signature);
        self
    }

    /// The event as it came, without `unsigned`.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// For [`crate::NewEvent`] only, which has just signed it in the name of `server`.
    pub(crate) fn into_own(self, server: &ServerName) -> Pdu {
        let signed_by = BTreeSet::from([server.clone()]);
        Pdu(Arc::new(Checked { fields: self.fields, object: self.object, mangled: false, signed_by }))
    }

    fn is_third_party_invite(&self) -> bool {
        let content = self.object.get("content");
        self.fields.event_type == "m.room.member"
            && content.and_then(|content| content.get("membership")).and_then(Value::as_str) == Some("invite")
            && content.and_then(|content| content.get("third_party_invite")).is_some()
    }
}

impl Pdu {
    /// Takes an event back that was checked before it was stored.
    ///
    /// `mangled` says whether its content hash did not match. Fails only if the store is damaged.
    pub fn from_store(
        object: Object,
        version: RoomVersion,
        event_id: EventId,
        mangled: bool,
    ) -> Result<Self, FormatError> {
        let fields = Fields::parse(&object, version, Some(event_id))?;
        let parsed = ParsedPdu { fields, object };
        let signed_by = parsed.required_signatures();
        Ok(Self(Arc::new(Checked { fields: parsed.fields, object: parsed.object, mangled, signed_by })))
    }

    /// The event's id.
    pub fn event_id(&self) -> &EventId {
        &self.0.fields.event_id
    }

    /// The event's room. In room version 12 a create event's room is named after itself.
    pub fn room_id(&self) -> &RoomId {
        &self.0.fields.room_id
    }

    /// The version of its room.
    pub fn version(&self) -> RoomVersion {
        self.0.fields.version
    }

    /// The user that sent it.
    pub fn sender(&self) -> &UserId {
        &self.0.fields.sender
    }

    /// The event's type.
    pub fn event_type(&self) -> &str {
        &self.0.fields.event_type
    }

    /// The state key, if it is a state event.
    pub fn state_key(&self) -> Option<&str> {
        self.0.fields.state_key.as_deref()
    }

    /// Says whether it is a state event of this type and key.
    pub fn is_state(&self, event_type: &str, state_key: &str) -> bool {
        self.event_type() == event_type && self.state_key() == Some(state_key)
    }

    /// `membership` of the content, if it is an `m.room.member` event with a state key.
    pub fn membership(&self) -> Option<&str> {
        let is_member = self.event_type() == "m.room.member" && self.state_key().is_some();
        self.content().get("membership").and_then(Value::as_str).filter(|_| is_member)
    }

    /// The depth that it claims. Decides nothing of ours.
    pub fn depth(&self) -> i64 {
        self.0.fields.depth
    }

    /// The sender's clock when it was made, in milliseconds since 1970. Not to be believed.
    pub fn origin_server_ts(&self) -> i64 {
        self.0.fields.origin_server_ts
    }

    /// Its parents in the event graph.
    pub fn prev_events(&self) -> &[EventId] {
        &self.0.fields.prev_events
    }

    /// The events that give it permission.
    pub fn auth_events(&self) -> &[EventId] {
        &self.0.fields.auth_events
    }

    /// The event as others name it among their parents and permissions.
    pub fn reference(&self) -> Reference {
        Reference::to(self.event_id(), self.object(), self.version())
    }

    /// The event's content.
    pub fn content(&self) -> &Object {
        static EMPTY: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
        self.0.object.get("content").and_then(Value::as_object).unwrap_or(&EMPTY)
    }

    /// The whole event, without `unsigned`.
    pub fn object(&self) -> &Object {
        &self.0.object
    }

    /// The whole event, without `unsigned`. Copies it only if somebody else holds it.
    pub fn into_object(self) -> Object {
        match Arc::try_unwrap(self.0) {
            Ok(checked) => checked.object,
            Err(shared) => shared.object.clone(),
        }
    }

    /// The event as canonical JSON, as it goes to other servers and into the store.
    pub fn to_json(&self) -> String {
        json::canonical(&self.0.object)
    }

    /// The content hash did not match: this is the redacted copy, and a full one may come.
    pub fn is_mangled(&self) -> bool {
        self.0.mangled
    }

    /// The field that has over 255 bytes (but not over 255 code points). Such an event is rejected, up to version 10.
    pub fn oversized(&self) -> Option<&'static str> {
        self.0.fields.oversized
    }

    /// The servers whose signatures were needed and verified.
    pub fn signed_by(&self) -> &BTreeSet<ServerName> {
        &self.0.signed_by
    }

    /// The event that this redaction is for. Its place depends on the room version.
    pub fn redacts(&self) -> Option<EventId> {
        if self.event_type() != "m.room.redaction" {
            return None;
        }
        let place = if self.version().rules().redaction.redacts_in_content { self.content() } else { self.object() };
        place.get("redacts").and_then(Value::as_str).and_then(|id| EventId::parse(id).ok())
    }

    /// Returns the redacted event: same id, same signatures.
    pub fn redacted(&self) -> Self {
        let object = redact(&self.0.object, self.version());
        Self(Arc::new(Checked {
            fields: self.0.fields.clone(),
            object,
            mangled: self.0.mangled,
            signed_by: self.0.signed_by.clone(),
        }))
    }

    /// Adds our signature to somebody else's event: an invite of our user, or a restricted join that we authorise.
    pub fn countersigned(&self, server: &ServerName, key: &SigningKey) -> Self {
        let mut object = self.0.object.clone();
        let signature = key.signature_of(&redact(&object, self.version()));
        signature::insert_signature(&mut object, server, key.id(), signature);
        let mut signed_by = self.0.signed_by.clone();
        signed_by.insert(server.clone());
        Self(Arc::new(Checked { fields: self.0.fields.clone(), object, mangled: self.0.mangled, signed_by }))
    }
}

/// Returns the server that authorised a restricted join, if the event is a join that names one.
fn join_authorised_by(event_type: &str, object: &Object) -> Option<ServerName> {
    let content = object.get("content").filter(|_| event_type == "m.room.member")?;
    if content.get("membership").and_then(Value::as_str) != Some("join") {
        return None;
    }
    let user = content.get("join_authorised_via_users_server").and_then(Value::as_str)?;
    UserId::parse(user).ok().map(|user| user.server())
}
