//! Joining, inviting, leaving, kicking, banning, knocking, forgetting.

use std::time::Duration;

use events::{EventId, Object, RoomAlias, RoomId, ServerName, UserId, Value};
use persistence::StoreError;
use persistence::transactions::{events as event_rows, rooms as room_rows};
use serde_json::json;

use crate::rooms::draft;
use crate::{Messaging, MessagingError};
use pdu::{JoinInDoubt, JoinProgress, PurgeError};

/// A room, as a person names it.
#[derive(Debug, Clone)]
pub enum RoomRef {
    /// By its id.
    Id(RoomId),
    /// By an alias.
    Alias(RoomAlias),
}

/// What is to become of our users in a room that is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupants {
    /// They leave.
    Leave,
    /// They stay: the room is not purged if there are any.
    Stay,
}

/// Between two looks whether rooms are purged.
const PURGE_LOOK: Duration = Duration::from_millis(50);

impl RoomRef {
    /// Reads `!room` or `#alias`.
    pub fn parse(text: &str) -> Result<Self, MessagingError> {
        let parsed = if text.starts_with('#') {
            RoomAlias::parse(text).map(Self::Alias)
        } else {
            RoomId::parse(text).map(Self::Id)
        };
        parsed.map_err(|error| MessagingError::Invalid(error.to_string()))
    }
}

impl Messaging {
    /// Finds the room that a person means, and the servers that may be in it.
    pub async fn find_room(
        &self,
        room: &RoomRef,
        via: &[ServerName],
    ) -> Result<(RoomId, Vec<ServerName>), MessagingError> {
        match room {
            RoomRef::Id(id) => Ok((id.clone(), via.to_vec())),
            RoomRef::Alias(alias) => {
                let (id, servers) = self.resolve_alias(alias).await?;
                Ok((id, via.iter().cloned().chain(servers).collect()))
            }
        }
    }

    /// Joins a room: directly if somebody here is in it, else through another server.
    ///
    /// `content` has what the member event says beside `membership`: profile, reason.
    pub async fn join(
        &self,
        user: &UserId,
        room: &RoomRef,
        via: &[ServerName],
        content: Object,
    ) -> Result<RoomId, MessagingError> {
        let (room_id, servers) = self.find_room(room, via).await?;
        if self.membership_of(&room_id, user).await?.as_deref() == Some("join") {
            return Ok(room_id);
        }
        let servers = self.servers_to_try(&room_id, user, servers).await?;
        if self.are_we_in(&room_id).await? {
            match self.join_locally(user, &room_id, content.clone()).await {
                Ok(()) => return Ok(room_id),
                // Nobody here may let the user in, but somebody elsewhere may.
                Err(refused @ MessagingError::Forbidden(_)) => {
                    let join_rule = self.state_event(&room_id, "m.room.join_rules", "").await?;
                    let restricted = join_rule.is_some_and(|pdu| {
                        let rule = pdu.content().get("join_rule").and_then(Value::as_str);
                        matches!(rule, Some("restricted" | "knock_restricted"))
                    });
                    if !restricted {
                        return Err(refused);
                    }
                }
                // Who was in it here has left it meanwhile.
                Err(MessagingError::UnknownRoom(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let joined = self.graph().join_remote(&room_id, user, content, &servers).await?;
        Ok(joined.room_id)
    }

    async fn join_locally(&self, user: &UserId, room_id: &RoomId, content: Object) -> Result<(), MessagingError> {
        let mut content = content;
        content.insert("membership".to_owned(), json!("join"));
        if let Some(authoriser) = self.graph().authoriser_of(room_id, user).await.map_err(refusal)? {
            content.insert("join_authorised_via_users_server".to_owned(), json!(authoriser));
        }
        self.graph().send(room_id, vec![draft(user, "m.room.member", user.as_str(), content)], None).await?;
        Ok(())
    }

    /// Returns the servers to try, best first: those named, whoever a knock went through,
    /// whoever invited, those that the room is known to have.
    async fn servers_to_try(
        &self,
        room_id: &RoomId,
        user: &UserId,
        named: Vec<ServerName>,
    ) -> Result<Vec<ServerName>, MessagingError> {
        let (id, who) = (room_id.clone(), user.clone());
        let known = self
            .database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(Vec::new()) };
                let mut servers = Vec::new();
                if let Some(standing) = room_rows::standing_in(tx, &who, row.number)? {
                    servers.extend(standing.via);
                    if let Some(event) = event_rows::load(tx, row.version, standing.event)? {
                        servers.push(event.pdu.sender().server());
                    }
                }
                servers.extend(room_rows::servers(tx, row.number)?);
                Ok::<_, StoreError>(servers)
            })
            .await?;
        Ok(named.into_iter().chain(known).chain(room_id.server()).collect())
    }

    /// Invites a user.
    pub async fn invite(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        invited: &UserId,
        content: Object,
    ) -> Result<(), MessagingError> {
        self.joined_room(room_id, sender).await?;
        if !self.is_ours(invited) {
            self.check_federated(room_id).await?;
        }
        let mut content = content;
        content.insert("membership".to_owned(), json!("invite"));
        let draft = draft(sender, "m.room.member", invited.as_str(), content);
        if self.is_ours(invited) {
            if !self.users().exists(invited).await? {
                return Err(MessagingError::NotFound(format!("{invited} has no account on this server")));
            }
            self.graph().send(room_id, vec![draft], None).await?;
        } else {
            self.graph().invite_remote(room_id, draft, invited).await?;
        }
        Ok(())
    }

    /// Refuses what would bring users of other servers into a room that is for its creator's server alone. The auth rules
    /// would let the invite in and keep its target out; Synapse refuses the invite, which tells the sender sooner.
    async fn check_federated(&self, room_id: &RoomId) -> Result<(), MessagingError> {
        let create = self.state_event(room_id, "m.room.create", "").await?;
        let federates = create.as_ref().and_then(|create| create.content().get("m.federate")).and_then(Value::as_bool);
        if federates == Some(false) {
            return Err(MessagingError::Forbidden(format!("the room {room_id} is not open to other servers")));
        }
        Ok(())
    }

    /// Leaves a room, rejects an invite, or takes a knock back. Succeeds even if no other server can be reached.
    pub async fn leave(&self, user: &UserId, room_id: &RoomId, content: Object) -> Result<(), MessagingError> {
        let membership = self.membership_of(room_id, user).await?;
        if self.are_we_in(room_id).await? && matches!(membership.as_deref(), Some("join" | "invite" | "knock")) {
            return self.set_member(user, room_id, user, "leave", content).await;
        }
        let servers = self.servers_to_try(room_id, user, Vec::new()).await?;
        Ok(self.graph().leave_remote(room_id, user, content, &servers).await?)
    }

    /// Removes a user from a room.
    pub async fn kick(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        target: &UserId,
        content: Object,
    ) -> Result<(), MessagingError> {
        self.joined_room(room_id, sender).await?;
        self.until_member_is_known(room_id, target.as_str()).await?;
        match self.membership_of(room_id, target).await?.as_deref() {
            Some("join" | "invite" | "knock") => self.set_member(sender, room_id, target, "leave", content).await,
            Some(_) | None => Err(MessagingError::Forbidden(format!("{target} is not in the room"))),
        }
    }

    /// Bans a user.
    pub async fn ban(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        target: &UserId,
        content: Object,
    ) -> Result<(), MessagingError> {
        self.joined_room(room_id, sender).await?;
        self.set_member(sender, room_id, target, "ban", content).await
    }

    /// Lifts a ban.
    pub async fn unban(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        target: &UserId,
        content: Object,
    ) -> Result<(), MessagingError> {
        self.joined_room(room_id, sender).await?;
        self.until_member_is_known(room_id, target.as_str()).await?;
        match self.membership_of(room_id, target).await?.as_deref() {
            Some("ban") => self.set_member(sender, room_id, target, "leave", content).await,
            Some(_) | None => Err(MessagingError::Forbidden(format!("{target} is not banned"))),
        }
    }

    /// Knocks on a room.
    pub async fn knock(
        &self,
        user: &UserId,
        room: &RoomRef,
        via: &[ServerName],
        content: Object,
    ) -> Result<RoomId, MessagingError> {
        let (room_id, servers) = self.find_room(room, via).await?;
        if self.are_we_in(&room_id).await? {
            match self.set_member(user, &room_id, user, "knock", content.clone()).await {
                Ok(_) => return Ok(room_id),
                // Who was in it here has left it meanwhile.
                Err(MessagingError::UnknownRoom(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let servers = self.servers_to_try(&room_id, user, servers).await?;
        Ok(self.graph().knock_remote(&room_id, user, content, &servers).await?.room_id)
    }

    /// Takes a room out of a user's sight. They must have left it. A room that no user of ours sees any more is purged.
    pub async fn forget(&self, user: &UserId, room_id: &RoomId) -> Result<(), MessagingError> {
        let row = self.room(room_id).await?;
        let who = user.clone();
        let forgotten = self
            .database()
            .write(move |tx| {
                let standing = room_rows::standing_in(tx, &who, row.number)?;
                match standing.as_ref().map(|standing| standing.membership.as_str()) {
                    Some("leave" | "ban") => room_rows::forget(tx, &who, row.number).map(|()| true),
                    Some(_) => Ok(false),
                    None => Ok::<_, StoreError>(true),
                }
            })
            .await?;
        if !forgotten {
            return Err(MessagingError::NotLeft(format!("{user} has not left the room {room_id}")));
        }
        if !self.database().read(move |tx| room_rows::is_seen(tx, row.number)).await? {
            match self.graph().purge(room_id).await {
                // Somebody was invited, or somebody else was quicker.
                Ok(()) | Err(PurgeError::InUse { .. } | PurgeError::Unknown(_)) => {}
                Err(PurgeError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Removes a room completely; the operator wants it. With `Occupants::Leave` our users leave it first. Returns when it is out of
    /// sight; its rows go in the background.
    pub async fn purge(&self, room_id: &RoomId, occupants: Occupants) -> Result<(), MessagingError> {
        if occupants == Occupants::Leave {
            let row = self.room(room_id).await?;
            for user in self.database().read(move |tx| room_rows::users_concerned(tx, row.number)).await? {
                self.leave(&user, room_id, Object::new()).await?;
            }
        }
        Ok(self.graph().purge(room_id).await?)
    }

    /// Tells of all joins whose members are being fetched.
    pub async fn joins_under_way(&self) -> Result<Vec<JoinProgress>, MessagingError> {
        Ok(self.graph().joins_under_way().await?)
    }

    /// Tells of all joins of which nobody has said whether they counted.
    pub async fn joins_in_doubt(&self) -> Result<Vec<JoinInDoubt>, MessagingError> {
        Ok(self.graph().joins_in_doubt().await?)
    }

    /// Waits until no room is being purged, but not for longer than `limit`. Returns whether it is so.
    pub async fn until_purged(&self, limit: Duration) -> Result<bool, MessagingError> {
        let clock = &self.graph().handles().clock;
        let until = clock.monotonic() + limit;
        while self.graph().purges_left().await? > 0 {
            if clock.monotonic() > until {
                return Ok(false);
            }
            clock.sleep(PURGE_LOOK).await;
        }
        Ok(true)
    }

    /// Sends a user's changed profile to the rooms they are in.
    pub async fn renew_profile(&self, user: &UserId, profile: Object) -> Result<(), MessagingError> {
        let who = user.clone();
        let rooms = self
            .database()
            .read(move |tx| {
                let rooms = room_rows::rooms_of_member(tx, &who, "join")?;
                rooms.into_iter().map(|room| room_rows::by_number(tx, room)).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for room in rooms {
            let mut content = profile.clone();
            content.insert("membership".to_owned(), json!("join"));
            let renewed = self
                .graph()
                .send(&room.room_id, vec![draft(user, "m.room.member", user.as_str(), content)], None)
                .await;
            if let Err(error) = renewed {
                tracing::info!(room.id = %room.room_id, "The profile of {user} was not renewed in {}: {error}", room.room_id);
            }
        }
        Ok(())
    }

    async fn set_member(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        target: &UserId,
        membership: &str,
        content: Object,
    ) -> Result<(), MessagingError> {
        let mut content = content;
        content.insert("membership".to_owned(), json!(membership));
        self.graph().send(room_id, vec![draft(sender, "m.room.member", target.as_str(), content)], None).await?;
        Ok(())
    }

    /// Returns how a user stands to a room: by its current state if we have one, else by what we were told from outside.
    pub async fn membership_of(&self, room_id: &RoomId, user: &UserId) -> Result<Option<String>, MessagingError> {
        let (id, who) = (room_id.clone(), user.clone());
        let membership = self.database().read(move |tx| {
            let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(None) };
            if let Some(standing) = room_rows::standing_in(tx, &who, row.number)? {
                return Ok(Some(standing.membership));
            }
            room_rows::membership(tx, row.number, &who)
        });
        Ok(membership.await?)
    }

    /// Returns the id of the event by which a user is a member, if they are.
    pub async fn member_event(&self, room_id: &RoomId, user: &UserId) -> Result<Option<EventId>, MessagingError> {
        let event = self.state_event(room_id, "m.room.member", user.as_str()).await?;
        Ok(event.map(|pdu| pdu.event_id().clone()))
    }
}

fn refusal(error: transport::ApiError) -> MessagingError {
    if error.status == 500 { MessagingError::Internal(error.message) } else { MessagingError::Forbidden(error.message) }
}
