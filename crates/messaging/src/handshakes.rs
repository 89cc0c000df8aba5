//! What other servers ask of us about membership, handed down to the event graph.

use std::time::Duration;

use events::{EventId, Object, RoomId, ServerName, UserId, Value};
use transport::questions::{Answer, Handshake, Members, MembershipQuestions};
use transport::{ApiError, StreamedAnswer};

use crate::Messaging;

impl MembershipQuestions for Messaging {
    fn make<'a>(
        &'a self,
        origin: &'a ServerName,
        handshake: Handshake,
        room_id: &'a RoomId,
        user_id: &'a UserId,
        versions: Vec<String>,
    ) -> Answer<'a> {
        Box::pin(async move { self.graph().make(origin, handshake, room_id, user_id, &versions).await })
    }

    fn send<'a>(
        &'a self,
        origin: &'a ServerName,
        handshake: Handshake,
        room_id: &'a RoomId,
        event_id: &'a EventId,
        event: Object,
        members: Members,
    ) -> StreamedAnswer<'a> {
        Box::pin(self.graph().accept(origin, handshake, room_id, event_id, event, members))
    }

    fn invite<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        event_id: &'a EventId,
        body: Object,
    ) -> Answer<'a> {
        Box::pin(async move {
            let invited = body.get("event").and_then(|event| event.get("state_key")).and_then(Value::as_str);
            if let Some(invited) = invited.and_then(|user| UserId::parse(user).ok()).filter(|user| self.is_ours(user)) {
                if !self.users().exists(&invited).await? {
                    return Err(ApiError::not_found(format!("{invited} has no account on this server")));
                }
                self.users().count_invite(origin, &invited).map_err(|wait| too_many_invites(origin, wait))?;
            }
            self.graph().accept_invite(origin, room_id, event_id, body).await
        })
    }
}

fn too_many_invites(origin: &ServerName, wait: Duration) -> ApiError {
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    ApiError::new(429, "M_LIMIT_EXCEEDED", format!("too many invites of {origin}: the next may come in {wait} ms"))
        .with("retry_after_ms", wait)
}
