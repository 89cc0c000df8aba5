//! What authorisation looks at in an event, read once.

use std::fmt;
use std::sync::Arc;

use crate::id::{EventId, RoomId, UserId};
use crate::json::{Object, Value};
use crate::membership::{JoinRule, Membership};
use crate::pdu::Pdu;
use crate::power::PowerContent;
use crate::reference::Reference;
use crate::room_version::{RoomVersion, Rules};

/// The parts of an event that authorisation looks at, read once. Cheap to clone.
#[derive(Clone)]
pub struct AuthEvent {
    parts: Arc<Parts>,
    /// In the handle, since it is what is asked most, and mostly the only thing.
    membership: Option<Membership>,
}

struct Parts {
    version: RoomVersion,
    event_id: EventId,
    /// Beside ids that are chosen only.
    reference_hash: Option<Box<str>>,
    room_id: RoomId,
    sender: UserId,
    event_type: Arc<str>,
    state_key: Option<Arc<str>>,
    origin_server_ts: i64,
    depth: i64,
    parents: Parents,
    auth_events: Box<[EventId]>,
    oversized: Option<&'static str>,
    content: Content,
}

/// The parents in the event graph, as far as a rule asks for them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parents {
    None,
    One(EventId),
    Several,
}

/// The content, as far as a rule reads it.
#[derive(Debug)]
pub(crate) enum Content {
    Create(Box<Create>),
    Member(Member),
    PowerLevels(Box<PowerContent>),
    JoinRules(JoinRule),
    ThirdPartyInvite { public_keys: Vec<String> },
    Redaction { redacts: Option<EventId> },
    Other,
}

#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) has_room_id: bool,
    pub(crate) has_creator: bool,
    pub(crate) creators: Vec<UserId>,
    pub(crate) additional_creators_malformed: bool,
    pub(crate) room_version: Option<Value>,
    pub(crate) federates: bool,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) membership: Claim,
    pub(crate) target: Option<UserId>,
    pub(crate) authoriser: Option<Box<Authoriser>>,
    pub(crate) third_party_invite: Option<Box<Value>>,
}

/// The membership that a member event claims.
#[derive(Debug)]
pub(crate) enum Claim {
    None,
    Unknown(Box<str>),
    Known(Membership),
}

/// Who let a user into a room with restricted joins.
#[derive(Debug)]
pub(crate) struct Authoriser {
    pub(crate) text: String,
    pub(crate) user: Option<UserId>,
    /// The event is signed by their server.
    pub(crate) signed: bool,
}

impl AuthEvent {
    /// Reads what authorisation needs of `pdu`.
    pub fn new(pdu: &Pdu) -> Self {
        let parts = Arc::new(Parts {
            version: pdu.version(),
            event_id: pdu.event_id().clone(),
            reference_hash: pdu.reference().sha256,
            room_id: pdu.room_id().clone(),
            sender: pdu.sender().clone(),
            event_type: pdu.event_type().into(),
            state_key: pdu.state_key().map(Into::into),
            origin_server_ts: pdu.origin_server_ts(),
            depth: pdu.depth(),
            parents: Parents::read(pdu),
            auth_events: pdu.auth_events().into(),
            oversized: pdu.oversized(),
            content: Content::read(pdu),
        });
        let known = |member: &Member| match member.membership {
            Claim::Known(membership) => Some(membership),
            Claim::Unknown(_) | Claim::None => None,
        };
        let membership = if let Content::Member(member) = &parts.content { known(member) } else { None };
        Self { parts, membership }
    }

    /// The event's id.
    pub fn event_id(&self) -> &EventId {
        &self.parts.event_id
    }

    /// The event as others name it among their parents and permissions.
    pub fn reference(&self) -> Reference {
        Reference { event_id: self.parts.event_id.clone(), sha256: self.parts.reference_hash.clone() }
    }

    /// The event's room.
    pub fn room_id(&self) -> &RoomId {
        &self.parts.room_id
    }

    /// The version of its room.
    pub fn version(&self) -> RoomVersion {
        self.parts.version
    }

    /// The rules of its room.
    pub fn rules(&self) -> &'static Rules {
        self.parts.version.rules()
    }

    /// The user that sent it.
    pub fn sender(&self) -> &UserId {
        &self.parts.sender
    }

    /// A sum of what lies where judging looks, the beginnings of texts among it: worth nothing but that it has been read.
    pub(crate) fn touch(&self) -> u64 {
        let first = |text: &str| text.as_bytes().first().map_or(0, |byte| u64::from(*byte));
        let target = self.member().and_then(|member| member.target.as_ref());
        self.version() as u64
            + first(self.sender().as_str())
            + self.state_key().map_or(0, first)
            + target.map_or(0, |user| first(user.as_str()))
    }

    /// The event's type.
    pub fn event_type(&self) -> &str {
        &self.parts.event_type
    }

    /// The state key, if it is a state event.
    pub fn state_key(&self) -> Option<&str> {
        self.parts.state_key.as_deref()
    }

    /// Says whether it is a state event of this type and key.
    pub fn is_state(&self, event_type: &str, state_key: &str) -> bool {
        self.event_type() == event_type && self.state_key() == Some(state_key)
    }

    /// The sender's clock when it was made, in milliseconds since 1970.
    pub fn origin_server_ts(&self) -> i64 {
        self.parts.origin_server_ts
    }

    /// The depth that it claims, which state resolution of version 1 goes by.
    pub fn depth(&self) -> i64 {
        self.parts.depth
    }

    /// Says whether it has parents in the event graph.
    pub fn has_parents(&self) -> bool {
        self.parts.parents != Parents::None
    }

    /// The events that give it permission.
    pub fn auth_events(&self) -> &[EventId] {
        &self.parts.auth_events
    }

    /// The field with more than 255 bytes, if there is one.
    pub fn oversized(&self) -> Option<&'static str> {
        self.parts.oversized
    }

    /// What it says its target's membership is, if it is a member event and says one that there is.
    pub fn membership(&self) -> Option<Membership> {
        self.membership
    }

    /// The user whose membership it sets, if it is a member event and its state key is a user id.
    pub fn target(&self) -> Option<&UserId> {
        self.member()?.target.as_ref()
    }

    /// The join rule that it sets, if it is an `m.room.join_rules` event.
    pub fn join_rule(&self) -> Option<&JoinRule> {
        if let Content::JoinRules(rule) = &self.parts.content { Some(rule) } else { None }
    }

    /// Who created the room, if it is a create event: one user, and in version 12 perhaps more.
    pub fn creators(&self) -> impl Iterator<Item = &UserId> {
        let creators = if let Content::Create(create) = &self.parts.content { create.creators.as_slice() } else { &[] };
        creators.iter()
    }

    /// The event that it redacts, if it is a redaction.
    pub fn redacts(&self) -> Option<&EventId> {
        if let Content::Redaction { redacts } = &self.parts.content { redacts.as_ref() } else { None }
    }

    pub(crate) fn parents(&self) -> &Parents {
        &self.parts.parents
    }

    /// Shares texts with other events of its room, if nobody else holds it yet: a room has its own id, a user's and an event's
    /// as often as there are events that name them.
    pub(crate) fn share(&mut self, room_id: &RoomId, key: (&Arc<str>, &Arc<str>), texts: &Shared<'_>) {
        let Some(parts) = Arc::get_mut(&mut self.parts) else { return };
        parts.room_id = room_id.clone();
        parts.event_type = Arc::clone(key.0);
        parts.state_key = Some(Arc::clone(key.1));
        if let Content::Member(Member { target: Some(target), .. }) = &mut parts.content {
            *target = target.sharing(key.1);
        }
        if let Some(sender) = texts.sender {
            parts.sender = parts.sender.sharing(sender);
        }
        for (id, shared) in parts.auth_events.iter_mut().zip(texts.auth_events) {
            id.clone_from(shared);
        }
        if let (Parents::One(parent), Some(shared)) = (&mut parts.parents, texts.parent) {
            parent.clone_from(shared);
        }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.parts.content
    }

    pub(crate) fn member(&self) -> Option<&Member> {
        if let Content::Member(member) = &self.parts.content { Some(member) } else { None }
    }

    pub(crate) fn power_content(&self) -> Option<&PowerContent> {
        if let Content::PowerLevels(levels) = &self.parts.content { Some(levels) } else { None }
    }
}

/// Texts equal to those of an event.
pub(crate) struct Shared<'a> {
    pub(crate) sender: Option<&'a Arc<str>>,
    /// As many as it cites, in its order.
    pub(crate) auth_events: &'a [EventId],
    pub(crate) parent: Option<&'a EventId>,
}

impl fmt::Debug for AuthEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthEvent({} {} by {}", self.event_id(), self.event_type(), self.sender())?;
        if let Some(state_key) = self.state_key() {
            write!(f, " for {state_key:?}")?;
        }
        f.write_str(")")
    }
}

impl Parents {
    fn read(pdu: &Pdu) -> Self {
        match pdu.prev_events() {
            [] => Self::None,
            [only] => Self::One(only.clone()),
            _ => Self::Several,
        }
    }
}

impl Content {
    fn read(pdu: &Pdu) -> Self {
        let rules = &pdu.version().rules().auth;
        let content = pdu.content();
        match pdu.event_type() {
            "m.room.create" => Self::Create(Box::new(Create::read(pdu))),
            "m.room.member" => Self::Member(Member::read(pdu)),
            "m.room.power_levels" => Self::PowerLevels(Box::new(PowerContent::parse(content, rules))),
            "m.room.join_rules" => Self::JoinRules(JoinRule::parse(content, rules)),
            "m.room.third_party_invite" => Self::ThirdPartyInvite { public_keys: public_keys(content) },
            "m.room.redaction" => Self::Redaction { redacts: pdu.redacts() },
            _ => Self::Other,
        }
    }
}

impl Create {
    fn read(pdu: &Pdu) -> Self {
        let rules = &pdu.version().rules().auth;
        let content = pdu.content();
        let creator = if rules.creator_in_content {
            content.get("creator").and_then(Value::as_str).and_then(|user| UserId::parse(user).ok())
        } else {
            Some(pdu.sender().clone())
        };
        let additional = content.get("additional_creators").filter(|_| rules.privileged_creators);
        let (more, malformed) = match additional.map(user_ids) {
            None => (Vec::new(), false),
            Some(Some(users)) => (users, false),
            Some(None) => (Vec::new(), true),
        };
        Self {
            has_room_id: pdu.object().contains_key("room_id"),
            has_creator: content.contains_key("creator"),
            creators: creator.into_iter().chain(more).collect(),
            additional_creators_malformed: malformed,
            room_version: content.get("room_version").cloned(),
            // The specification asks for `false`. Of values that are no boolean it says nothing; Synapse federates on `true`
            // and on nothing at all.
            federates: content.get("m.federate").is_none_or(|federate| *federate == Value::Bool(true)),
        }
    }
}

impl Member {
    fn read(pdu: &Pdu) -> Self {
        let content = pdu.content();
        let membership = match content.get("membership").and_then(Value::as_str) {
            None => Claim::None,
            Some(name) => Membership::parse(name).map_or_else(|| Claim::Unknown(name.into()), Claim::Known),
        };
        let authoriser = content.get("join_authorised_via_users_server").map(|value| {
            let user = value.as_str().and_then(|user| UserId::parse(user).ok());
            Box::new(Authoriser {
                text: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
                signed: user.as_ref().is_some_and(|user| pdu.signed_by().contains(&user.server())),
                user,
            })
        });
        Self {
            membership,
            target: pdu.state_key().and_then(|key| UserId::parse(key).ok()),
            authoriser,
            third_party_invite: content.get("third_party_invite").cloned().map(Box::new),
        }
    }
}

fn user_ids(value: &Value) -> Option<Vec<UserId>> {
    value.as_array()?.iter().map(|user| UserId::parse(user.as_str()?).ok()).collect()
}

/// Reads `public_key` and `public_keys` of `m.room.third_party_invite`.
fn public_keys(content: &Object) -> Vec<String> {
    let several = content.get("public_keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let several = several.iter().filter_map(|entry| entry.get("public_key"));
    content.get("public_key").into_iter().chain(several).filter_map(Value::as_str).map(str::to_owned).collect()
}
