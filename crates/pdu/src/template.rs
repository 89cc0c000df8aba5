//! The templates that residents give for joins, leaves and knocks.
//!
//! **Rule:** of a template that a resident gives, only `prev_events`, `auth_events`, `depth`, the room version and, for a
//! restricted join, the authoriser are taken. Everything else we build and sign ourselves.

use events::limits::{AUTH_EVENTS_MAX, INTEGER_MAX, PREV_EVENTS_MAX};
use events::{NewEvent, Object, Reference, RoomId, RoomVersion, ServerName, UserId, Value};
use serde_json::json;
use transport::questions::Handshake;

use crate::graph::Graph;
use crate::handshake::membership_of;
use crate::join::{JoinError, failed, refused};

/// What a resident's template gives us.
pub(crate) struct Taken {
    pub(crate) version: RoomVersion,
    pub(crate) event: NewEvent,
}

impl Graph {
    /// Asks for a template and takes from it what may be taken.
    pub(crate) async fn take_template(
        &self,
        handshake: Handshake,
        room_id: &RoomId,
        user: &UserId,
        content: &Object,
        server: &ServerName,
    ) -> Result<Taken, JoinError> {
        let versions: Vec<&str> = RoomVersion::ALL.iter().map(|version| version.as_str()).collect();
        let template = self.requests().make(server, handshake, room_id, user, &versions).await;
        let template = template.map_err(|error| refused(server, error))?;
        let version = template.room_version.unwrap_or_else(|| "1".to_owned());
        let Some(version) = RoomVersion::parse(&version) else {
            return Err(JoinError::UnsupportedVersion { room: room_id.clone(), version });
        };
        check_template(&template.event, handshake, room_id, user).map_err(|reason| failed(server, reason))?;
        let references = |key: &str, max: usize| -> Result<Vec<Reference>, JoinError> {
            let unusable = || failed(server, format!("its template has no usable `{key}`"));
            let entries = template.event.get(key).and_then(Value::as_array).ok_or_else(unusable)?;
            let all: Option<Vec<_>> = entries.iter().map(|entry| Reference::read(entry, version)).collect();
            // Only a create event has no parents.
            all.filter(|all| all.len() <= max && !(all.is_empty() && key == "prev_events")).ok_or_else(unusable)
        };
        let mut content = content.clone();
        content.insert("membership".to_owned(), json!(membership_of(handshake)));
        if handshake == Handshake::Join
            && let Some(authoriser) = authoriser(&template.event, server)
        {
            content.insert("join_authorised_via_users_server".to_owned(), json!(authoriser));
        }
        let event = NewEvent {
            event_id: self.chosen_event_id(version),
            room_id: Some(room_id.clone()),
            sender: user.clone(),
            event_type: "m.room.member".to_owned(),
            state_key: Some(user.to_string()),
            content,
            redacts: None,
            prev_events: references("prev_events", PREV_EVENTS_MAX)?,
            auth_events: references("auth_events", AUTH_EVENTS_MAX)?,
            depth: template.event.get("depth").and_then(Value::as_i64).unwrap_or(1).clamp(1, INTEGER_MAX),
            origin_server_ts: self.handles().clock.now(),
        };
        Ok(Taken { version, event })
    }
}

/// The checks that S2S API demands before a template may be signed, on `GET /make_join` and its siblings.
fn check_template(event: &Object, handshake: Handshake, room_id: &RoomId, user: &UserId) -> Result<(), String> {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let membership = event.get("content").and_then(|content| content.get("membership")).and_then(Value::as_str);
    for (key, found, expected) in [
        ("room_id", text("room_id"), room_id.as_str()),
        ("sender", text("sender"), user.as_str()),
        ("state_key", text("state_key"), user.as_str()),
        ("type", text("type"), "m.room.member"),
        ("membership", membership, membership_of(handshake)),
    ] {
        if found != Some(expected) {
            return Err(format!("its template has the {key} {found:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

/// The user of `server` that a template names as the authoriser of a restricted join.
fn authoriser(event: &Object, server: &ServerName) -> Option<UserId> {
    let named = event.get("content")?.get("join_authorised_via_users_server")?.as_str()?;
    UserId::parse(named).ok().filter(|user| user.server() == *server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(change: impl FnOnce(&mut Value)) -> Object {
        let mut event = json!({
            "room_id": "!r:b.test", "sender": "@alice:a.test", "state_key": "@alice:a.test", "type": "m.room.member",
            "content": { "membership": "join" },
        });
        change(&mut event);
        event.as_object().unwrap().clone()
    }

    #[test]
    fn a_template_for_anything_else_than_what_was_asked_for_is_refused() {
        let (room, user) = (RoomId::parse("!r:b.test").unwrap(), UserId::parse("@alice:a.test").unwrap());
        let check = |event: Object| check_template(&event, Handshake::Join, &room, &user);
        assert_eq!(check(template(|_| {})), Ok(()));
        for (pointer, hostile) in [
            ("/room_id", json!("!other:b.test")),
            ("/sender", json!("@bob:a.test")),
            ("/state_key", json!("@bob:a.test")),
            ("/type", json!("m.room.power_levels")),
            ("/content/membership", json!("ban")),
            ("/content", json!(null)),
        ] {
            let event = template(|event| *event.pointer_mut(pointer).unwrap() = hostile.clone());
            assert!(check(event).is_err(), "{pointer} {hostile}");
        }
    }

    #[test]
    fn the_authoriser_is_a_user_of_the_server_that_was_asked() {
        let named = |user: &str| template(|event| event["content"]["join_authorised_via_users_server"] = json!(user));
        let server = ServerName::parse("b.test").unwrap();
        assert_eq!(authoriser(&named("@bob:b.test"), &server), UserId::parse("@bob:b.test").ok());
        assert_eq!(authoriser(&named("@carol:c.test"), &server), None);
        assert_eq!(authoriser(&named("nobody"), &server), None);
        assert_eq!(authoriser(&template(|_| {}), &server), None);
    }
}
