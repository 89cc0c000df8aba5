//! The authorisation rules: which events may enter a room. Room version specifications, "Authorisation rules".
//!
//! An event is judged against the events that it cites ([`check_auth_events`]), then against states of the room
//! ([`check_state`]): that before the event, the current one, and those that state resolution builds.

use std::collections::BTreeMap;

pub use event::AuthEvent;
pub use rejection::Rejection;

use crate::id::{EventId, UserId};
use crate::json::{Object, Value};
use crate::power::{Level, Levels};
use crate::room_version::{RoomIdFormat, RoomVersion, Rules};
use event::{Content, Create};
use grounds::Grounds;

pub(crate) mod event;
pub(crate) mod grounds;
mod member;
mod power_levels;
mod rejection;
mod third_party_invite;

/// Where a check looks up state.
pub trait StateView {
    /// The state event of this type and key, if the state has one.
    fn get(&self, event_type: &str, state_key: &str) -> Option<&AuthEvent>;
}

/// An auth event of an event under judgement.
#[derive(Debug, Clone)]
pub struct Cited {
    /// The auth event.
    pub event: AuthEvent,
    /// It was itself rejected.
    pub rejected: bool,
}

/// A few state events, searched one by one: as many as [`auth_types`] names.
impl StateView for Vec<AuthEvent> {
    fn get(&self, event_type: &str, state_key: &str) -> Option<&AuthEvent> {
        self.iter().find(|event| event.is_state(event_type, state_key))
    }
}

/// Returns the types and state keys of the state events that an event names as its `auth_events`, each once.
///
/// S2S API, "Auth events selection". For events that exist and those about to be made alike. A content that does not name
/// what it should (a third-party invite without a token) names nothing; the rules refuse such events.
pub fn auth_types(
    rules: &Rules,
    event_type: &str,
    sender: &UserId,
    state_key: Option<&str>,
    content: &Object,
) -> Vec<(String, String)> {
    if event_type == "m.room.create" {
        return Vec::new();
    }
    let mut types = vec![("m.room.power_levels", ""), ("m.room.member", sender.as_str())];
    if rules.room_id == RoomIdFormat::Chosen {
        types.push(("m.room.create", ""));
    }
    if event_type == "m.room.member"
        && let Some(target) = state_key
    {
        let text = |key: &str| content.get(key).and_then(Value::as_str);
        types.push(("m.room.member", target));
        let membership = text("membership").unwrap_or_default();
        if matches!(membership, "join" | "invite" | "knock") {
            types.push(("m.room.join_rules", ""));
        }
        let invite = content.get("third_party_invite").filter(|_| membership == "invite");
        if let Some(token) = invite.and_then(third_party_invite::token) {
            types.push(("m.room.third_party_invite", token));
        }
        if rules.auth.restricted_joins
            && membership == "join"
            && let Some(authoriser) = text("join_authorised_via_users_server")
        {
            types.push(("m.room.member", authoriser));
        }
    }
    let mut selected: Vec<(String, String)> = Vec::new();
    for (event_type, state_key) in types {
        if !selected.iter().any(|(other_type, other_key)| other_type == event_type && other_key == state_key) {
            selected.push((event_type.to_owned(), state_key.to_owned()));
        }
    }
    selected
}

/// Judges `event` by the events that it cites: step 4 of S2S API, "Checks performed on receipt of a PDU".
///
/// `auth_events` are all of the event's auth events. `create` is the room's accepted create event, needed for room version
/// 12 only, where events do not cite it: `None` refuses the event.
pub fn check_auth_events(
    event: &AuthEvent,
    auth_events: &[Cited],
    create: Option<&AuthEvent>,
) -> Result<(), Rejection> {
    if let Some(field) = event.oversized() {
        return Err(Rejection::Oversized { field: field.to_owned() });
    }
    if let Content::Create(content) = event.content() {
        return check_create(event, content);
    }
    let is_cited = |id: &EventId| auth_events.iter().any(|cited| cited.event.event_id() == id);
    // A missing auth event is to be fetched, or the event to wait; to judge without it would be a mistake of ours.
    assert!(event.auth_events().iter().all(is_cited), "{event:?} is judged without all of its auth events");

    let mut state: Vec<AuthEvent> = auth_events.iter().map(|cited| cited.event.clone()).collect();
    match event.rules().room_id {
        RoomIdFormat::Chosen => {}
        RoomIdFormat::CreateEvent => {
            let create = create.filter(|create| *create.event_id() == event.room_id().create_event());
            let create = create.filter(|create| create.is_state("m.room.create", ""));
            state.push(create.ok_or_else(|| Rejection::NoCreateEventOfRoom { room: event.room_id().clone() })?.clone());
        }
    }
    check_citations(event, auth_events)?;
    check_state(event, &state)
}

/// Judges `event` by a state: steps 5 and 6 of S2S API, "Checks performed on receipt of a PDU", and state resolution.
pub fn check_state(event: &AuthEvent, state: &dyn StateView) -> Result<(), Rejection> {
    judge(event, &Grounds::look_up(event, state))
}

/// Judges `event` by the state events that matter to it.
pub(crate) fn judge(event: &AuthEvent, grounds: &Grounds<'_>) -> Result<(), Rejection> {
    if let Content::Create(_) = event.content() {
        return Ok(());
    }
    let create = grounds.create.ok_or(Rejection::NoCreateEvent)?;
    check_federation(event, create)?;
    if event.rules().auth.aliases_rule && event.event_type() == "m.room.aliases" {
        return check_aliases(event);
    }
    let levels = Levels::new(create, grounds.power_levels);
    if let Content::Member(member) = event.content() {
        return member::check(event, member, &levels, create, grounds);
    }
    member::require_joined(event.sender(), grounds.sender)?;
    let level = levels.user_level(event.sender());
    if event.event_type() == "m.room.third_party_invite" {
        return require_level((event.sender(), level), &levels, "inviting", levels.invite());
    }
    let required = levels.required_for(event.event_type(), event.state_key().is_some());
    require_level((event.sender(), level), &levels, event.event_type(), required)?;
    check_owner_of_state(event)?;
    match event.content() {
        Content::PowerLevels(new) => power_levels::check(event, new, create, &levels, grounds.power_levels),
        Content::Redaction { redacts } if event.rules().auth.redaction_rule => {
            check_redaction(event, redacts.as_ref(), &levels)
        }
        Content::Redaction { .. }
        | Content::Create(_)
        | Content::Member(_)
        | Content::JoinRules(_)
        | Content::ThirdPartyInvite { .. }
        | Content::Other => Ok(()),
    }
}

/// "If type is `m.room.create`".
fn check_create(event: &AuthEvent, content: &Create) -> Result<(), Rejection> {
    let rules = event.rules();
    if event.has_parents() {
        return Err(Rejection::CreateHasPrevEvents);
    }
    match rules.room_id {
        RoomIdFormat::Chosen if event.room_id().server().as_ref() != Some(&event.sender().server()) => {
            let (room, sender) = (event.room_id().clone(), event.sender().clone());
            return Err(Rejection::CreateInRoomOfOtherServer { room, sender });
        }
        RoomIdFormat::CreateEvent if content.has_room_id => return Err(Rejection::CreateHasRoomId),
        RoomIdFormat::Chosen | RoomIdFormat::CreateEvent => {}
    }
    if let Some(version) = &content.room_version
        && version.as_str().and_then(RoomVersion::parse).is_none()
    {
        return Err(Rejection::UnknownRoomVersion { version: version.to_string() });
    }
    if rules.auth.creator_in_content && !content.has_creator {
        return Err(Rejection::CreateWithoutCreator);
    }
    if content.additional_creators_malformed {
        return Err(Rejection::AdditionalCreatorsMalformed);
    }
    Ok(())
}

/// "Considering the event's `auth_events`".
fn check_citations(event: &AuthEvent, auth_events: &[Cited]) -> Result<(), Rejection> {
    let expected = event.places();
    let needs_create = event.rules().room_id == RoomIdFormat::Chosen;
    let mut seen: BTreeMap<(&str, &str), &EventId> = BTreeMap::new();
    for id in event.auth_events() {
        let Some(Cited { event: cited, rejected }) = auth_events.iter().find(|cited| cited.event.event_id() == id)
        else {
            continue;
        };
        let (event_type, state_key) = (cited.event_type(), cited.state_key());
        if cited.room_id() != event.room_id() {
            return Err(Rejection::AuthEventOfOtherRoom { event: id.clone(), room: cited.room_id().clone() });
        }
        let is_create = event_type == "m.room.create";
        let is_expected = |key: &str| {
            (needs_create || !is_create) && expected.iter().any(|(_, kind, of)| *kind == event_type && *of == key)
        };
        let Some(state_key) = state_key.filter(|key| is_expected(key)) else {
            return Err(Rejection::AuthEventUnexpected {
                event: id.clone(),
                event_type: event_type.to_owned(),
                state_key: state_key.map(str::to_owned),
            });
        };
        if let Some(first) = seen.insert((event_type, state_key), id) {
            return Err(Rejection::AuthEventsDuplicate {
                event_type: event_type.to_owned(),
                state_key: state_key.to_owned(),
                first: first.clone(),
                second: id.clone(),
            });
        }
        if *rejected {
            return Err(Rejection::AuthEventRejected { event: id.clone() });
        }
    }
    if needs_create && !seen.contains_key(&("m.room.create", "")) {
        return Err(Rejection::NoCreateEventCited);
    }
    Ok(())
}

fn check_federation(event: &AuthEvent, create: &AuthEvent) -> Result<(), Rejection> {
    let federates = if let Content::Create(content) = create.content() { content.federates } else { true };
    if federates || create.sender().server() == event.sender().server() {
        return Ok(());
    }
    Err(Rejection::NotFederated { sender: event.sender().clone(), create: create.event_id().clone() })
}

fn check_aliases(event: &AuthEvent) -> Result<(), Rejection> {
    if event.state_key() == Some(event.sender().server().as_str()) {
        return Ok(());
    }
    let state_key = event.state_key().map(str::to_owned);
    Err(Rejection::AliasesOfOtherServer { sender: event.sender().clone(), state_key })
}

/// "If the event has a `state_key` that starts with an `@` and does not match the `sender`, reject."
fn check_owner_of_state(event: &AuthEvent) -> Result<(), Rejection> {
    match event.state_key() {
        Some(key) if key.starts_with('@') && key != event.sender().as_str() => {
            Err(Rejection::StateOfOtherUser { sender: event.sender().clone(), state_key: key.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Room versions 1 and 2, "If type is `m.room.redaction`".
fn check_redaction(event: &AuthEvent, redacts: Option<&EventId>, levels: &Levels<'_>) -> Result<(), Rejection> {
    let (level, required) = (levels.user_level(event.sender()), levels.redact());
    // A redaction of nothing is allowed, as Synapse has it: it has no effect.
    let Some(redacts) = redacts.filter(|_| level < required) else { return Ok(()) };
    if redacts.server() == event.event_id().server() {
        return Ok(());
    }
    Err(Rejection::RedactionOfOtherServer {
        sender: event.sender().clone(),
        server: redacts.server(),
        level,
        required,
        power_levels: levels.event_id().cloned(),
    })
}

fn require_level(
    (user, level): (&UserId, Level),
    levels: &Levels<'_>,
    action: &str,
    required: Level,
) -> Result<(), Rejection> {
    if level >= required {
        return Ok(());
    }
    Err(Rejection::PowerTooLow {
        user: user.clone(),
        level,
        action: action.to_owned(),
        required,
        power_levels: levels.event_id().cloned(),
    })
}
