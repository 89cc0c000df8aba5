//! Making rooms. C-S API, "Creation".

use std::sync::Arc;

use events::room_version::RoomIdFormat;
use events::{Object, RoomAlias, RoomId, RoomVersion, UserId, Value};
use pdu::{BesideRoom, Draft};
use persistence::StoreError;
use persistence::transactions::aliases;
use serde_json::json;

use crate::limits::{INITIAL_STATE_MAX, INVITES_MAX};
use crate::{Messaging, MessagingError};

/// A room to be made.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Who makes it.
    pub creator: UserId,
    /// Its version.
    pub version: RoomVersion,
    /// Whether it is published in the room directory.
    pub published: bool,
    /// Which rules it starts with.
    pub preset: Preset,
    /// `name`
    pub name: Option<String>,
    /// `topic`
    pub topic: Option<String>,
    /// The localpart of an alias to make for it.
    pub alias_localpart: Option<String>,
    /// Users to invite.
    pub invite: Vec<UserId>,
    /// The invites are for a direct chat.
    pub is_direct: bool,
    /// Extra keys of the create event's content.
    pub creation_content: Object,
    /// State events to set: type, state key, content.
    pub initial_state: Vec<InitialState>,
    /// Replaces keys of the default power levels.
    pub power_levels_override: Object,
    /// `displayname` and `avatar_url` of the creator, for their member event.
    pub profile: Object,
}

impl NewRoom {
    /// A room of such a version, with what the preset gives it and nothing else.
    pub fn new(creator: UserId, version: RoomVersion, preset: Preset) -> Self {
        Self {
            creator,
            version,
            published: false,
            preset,
            name: None,
            topic: None,
            alias_localpart: None,
            invite: Vec::new(),
            is_direct: false,
            creation_content: Object::new(),
            initial_state: Vec::new(),
            power_levels_override: Object::new(),
            profile: Object::new(),
        }
    }
}

/// A state event that a new room starts with.
#[derive(Debug, Clone)]
pub struct InitialState {
    /// Its type.
    pub event_type: String,
    /// Its state key.
    pub state_key: String,
    /// Its content.
    pub content: Object,
}

/// Which rules a room starts with. C-S API, `POST /createRoom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// By invitation, history shared, guests may join.
    PrivateChat,
    /// Like [`Preset::PrivateChat`], and the invited get the creator's level.
    TrustedPrivateChat,
    /// Everybody may join, history shared, no guests.
    PublicChat,
}

impl Messaging {
    /// Makes a room: its first events, its alias and its place in the directory all at once, then the invites.
    pub async fn create_room(&self, new: NewRoom) -> Result<RoomId, MessagingError> {
        check(&new)?;
        let alias = match &new.alias_localpart {
            Some(localpart) => Some(self.free_alias(localpart).await?),
            None => None,
        };
        let rules = new.version.rules();
        let room_id = match rules.room_id {
            RoomIdFormat::Chosen => Some(self.random_room_id()?),
            RoomIdFormat::CreateEvent => None,
        };
        let first = pdu::NewRoom {
            version: new.version,
            room_id,
            create: draft(&new.creator, "m.room.create", "", create_content(&new)),
            following: first_events(&new, alias.as_ref()),
        };
        let made = self.graph().create_room(first, Some(names(&new, alias))).await;
        let room_id = match made.map_err(MessagingError::from) {
            Ok((room_id, _)) => room_id,
            // The creator asked for rules that they themselves break.
            Err(MessagingError::Forbidden(reason)) => return Err(MessagingError::InvalidState(reason)),
            Err(error) => return Err(error),
        };
        for user in &new.invite {
            let content =
                if new.is_direct { Object::from_iter([("is_direct".to_owned(), json!(true))]) } else { Object::new() };
            if let Err(error) = self.invite(&new.creator, &room_id, user, content).await {
                // The room is there; that somebody cannot be reached does not undo it.
                tracing::info!(room.id = %room_id, "{user} was not invited to the new room {room_id}: {error}");
            }
        }
        Ok(room_id)
    }

    fn random_room_id(&self) -> Result<RoomId, MessagingError> {
        let id = format!("!{}:{}", self.handles().random.token(18), self.server_name());
        RoomId::parse(id).map_err(|error| MessagingError::Internal(error.to_string()))
    }
}

/// Writes the names under which a new room is found.
fn names(new: &NewRoom, alias: Option<RoomAlias>) -> BesideRoom {
    let (creator, published) = (new.creator.clone(), new.published);
    Arc::new(move |tx, room_id| {
        if let Some(alias) = &alias
            && !aliases::insert(tx, alias, room_id, &creator)?
        {
            return Err(StoreError::Conflict(format!("the alias {alias} is taken")));
        }
        if published { aliases::publish(tx, room_id) } else { Ok(()) }
    })
}

fn check(new: &NewRoom) -> Result<(), MessagingError> {
    if new.invite.len() > INVITES_MAX {
        return Err(MessagingError::Invalid(format!("a new room may invite at most {INVITES_MAX} users")));
    }
    if new.initial_state.len() > INITIAL_STATE_MAX {
        return Err(MessagingError::Invalid(format!(
            "a new room may have at most {INITIAL_STATE_MAX} initial state events"
        )));
    }
    let is_user = |value: &Value| value.as_str().is_some_and(|text| UserId::parse(text).is_ok());
    if new.version.rules().auth.privileged_creators
        && let Some(additional) = new.creation_content.get("additional_creators")
        && !additional.as_array().is_some_and(|users| users.iter().all(is_user))
    {
        return Err(MessagingError::Invalid("`additional_creators` must be an array of user ids".to_owned()));
    }
    if new.version.rules().auth.privileged_creators
        && let Some(users) = new.power_levels_override.get("users").and_then(Value::as_object)
        && creators(new).iter().any(|creator| users.contains_key(creator))
    {
        return Err(MessagingError::Invalid(
            "in this room version the creators cannot be given a power level".to_owned(),
        ));
    }
    Ok(())
}

/// The users whose level is infinite from room version 12 on.
fn creators(new: &NewRoom) -> Vec<String> {
    let additional = additional_creators(new);
    std::iter::once(new.creator.to_string()).chain(additional).collect()
}

fn additional_creators(new: &NewRoom) -> Vec<String> {
    let given = new.creation_content.get("additional_creators").and_then(Value::as_array);
    let mut additional: Vec<String> =
        given.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if new.preset == Preset::TrustedPrivateChat {
        additional.extend(new.invite.iter().map(UserId::to_string));
    }
    additional.sort();
    additional.dedup();
    additional
}

fn create_content(new: &NewRoom) -> Object {
    let mut content = new.creation_content.clone();
    let auth = new.version.rules().auth;
    content.insert("room_version".to_owned(), json!(new.version.as_str()));
    if auth.creator_in_content {
        content.insert("creator".to_owned(), json!(new.creator));
    }
    if auth.privileged_creators {
        let additional = additional_creators(new);
        if !additional.is_empty() {
            content.insert("additional_creators".to_owned(), json!(additional));
        }
    }
    content
}

/// The events after the create event, in the order that the specification gives.
fn first_events(new: &NewRoom, alias: Option<&RoomAlias>) -> Vec<Draft> {
    let creator = &new.creator;
    let mut join = new.profile.clone();
    join.insert("membership".to_owned(), json!("join"));
    let mut drafts = vec![
        draft(creator, "m.room.member", creator.as_str(), join),
        draft(creator, "m.room.power_levels", "", power_levels(new)),
    ];
    if let Some(alias) = alias {
        drafts.push(draft(creator, "m.room.canonical_alias", "", object(json!({ "alias": alias }))));
    }
    let overridden = |event_type: &str| {
        new.initial_state.iter().any(|state| state.event_type == event_type && state.state_key.is_empty())
    };
    let (join_rule, guest_access) = match new.preset {
        Preset::PrivateChat | Preset::TrustedPrivateChat => ("invite", Some("can_join")),
        Preset::PublicChat => ("public", None),
    };
    for (event_type, content) in [
        ("m.room.join_rules", Some(json!({ "join_rule": join_rule }))),
        ("m.room.history_visibility", Some(json!({ "history_visibility": "shared" }))),
        ("m.room.guest_access", guest_access.map(|access| json!({ "guest_access": access }))),
    ] {
        if let Some(content) = content
            && !overridden(event_type)
        {
            drafts.push(draft(creator, event_type, "", object(content)));
        }
    }
    let initial = new.initial_state.iter();
    drafts.extend(initial.map(|state| draft(creator, &state.event_type, &state.state_key, state.content.clone())));
    if let Some(name) = &new.name {
        drafts.push(draft(creator, "m.room.name", "", object(json!({ "name": name }))));
    }
    if let Some(topic) = &new.topic {
        let content = json!({ "topic": topic, "m.topic": { "m.text": [{ "body": topic }] } });
        drafts.push(draft(creator, "m.room.topic", "", object(content)));
    }
    drafts
}

fn power_levels(new: &NewRoom) -> Object {
    let privileged = new.version.rules().auth.privileged_creators;
    let mut users = Object::new();
    if !privileged {
        users.insert(new.creator.to_string(), json!(100));
        if new.preset == Preset::TrustedPrivateChat {
            users.extend(new.invite.iter().map(|user| (user.to_string(), json!(100))));
        }
    }
    // Creators stand above 100 from version 12 on; upgrading, which ends a room, is left to them.
    let tombstone = if privileged { 150 } else { 100 };
    let mut content = object(json!({
        "users_default": 0,
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 0,
        "historical": 100,
        "users": users,
        "events": {
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.history_visibility": 100,
            "m.room.canonical_alias": 50,
            "m.room.avatar": 50,
            "m.room.tombstone": tombstone,
            "m.room.server_acl": 100,
            "m.room.encryption": 100,
        },
    }));
    content.extend(new.power_levels_override.clone());
    content
}

pub(crate) fn draft(sender: &UserId, event_type: &str, state_key: &str, content: Object) -> Draft {
    Draft {
        sender: sender.clone(),
        event_type: event_type.to_owned(),
        state_key: Some(state_key.to_owned()),
        content,
        redacts: None,
    }
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Object::new(),
    }
}
