//! Getting a user of ours out of, or to the door of, a room that only others are in. S2S API, "Leaving Rooms (Rejecting Invites)",
//! "Knocking upon a room".

use events::{Object, Pdu, RoomId, ServerName, UserId, Value};
use persistence::StoreError;
use persistence::transactions::rooms as room_rows;
use transport::questions::Handshake;

use crate::fetch::Effort;
use crate::graph::Graph;
use crate::invite::prune;
use crate::join::{JoinError, Joined, claim_room, failed, more_telling, refused};
use crate::limits::{JOIN_TIME_MAX, LEAVE_TIME_MAX};
use crate::outside::{Outside, OutsideEvent};
use crate::template::Taken;

/// Leaving always succeeds locally, but for a broken database.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// The user has no standing in the room that they could leave.
    #[error("{user} is not in the room {room}, and not invited to it")]
    NothingToLeave {
        /// Who.
        user: UserId,
        /// Which room.
        room: RoomId,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Graph {
    /// Leaves a room that nobody here is in: rejects an invite, or takes back a knock. Others are told if they can be reached.
    pub async fn leave_remote(
        &self,
        room_id: &RoomId,
        user: &UserId,
        content: Object,
        servers: &[ServerName],
    ) -> Result<(), LeaveError> {
        let nothing = || LeaveError::NothingToLeave { user: user.clone(), room: room_id.clone() };
        let (id, who) = (room_id.clone(), user.clone());
        let standing = self
            .database()
            .read(move |tx| match room_rows::by_id(tx, &id)? {
                Some(room) => room_rows::standing_in(tx, &who, room.number),
                None => Ok(None),
            })
            .await?;
        let standing = standing.ok_or_else(nothing)?;
        if !matches!(standing.membership.as_str(), "invite" | "knock" | "join") {
            return Err(nothing());
        }
        let effort = Effort::new(self.handles(), LEAVE_TIME_MAX);
        let mut left = None;
        for server in self.candidates(servers) {
            match effort.within(self.shake(Handshake::Leave, room_id, user, &content, &server)).await {
                Some(Ok((pdu, _))) => {
                    left = Some(pdu);
                    break;
                }
                Some(Err(error)) => {
                    tracing::info!(room.id = %room_id, server.name = %server, "{server} was not told that {user} left: {error}");
                }
                None => {
                    tracing::info!(room.id = %room_id, "Nobody was told in time that {user} left");
                    break;
                }
            }
        }
        let event = left.map_or(OutsideEvent::Known(standing.event), OutsideEvent::New);
        let outside = Outside { membership: "leave", event, stripped: None, via: None };
        self.set_outside_standing(standing.room, user, outside).await?;
        Ok(())
    }

    /// Knocks on a room that nobody here is in.
    pub async fn knock_remote(
        &self,
        room_id: &RoomId,
        user: &UserId,
        content: Object,
        servers: &[ServerName],
    ) -> Result<Joined, JoinError> {
        let effort = Effort::new(self.handles(), JOIN_TIME_MAX);
        let mut last = JoinError::NoServers(room_id.clone());
        for server in self.candidates(servers) {
            if effort.is_spent() {
                break;
            }
            match self.shake(Handshake::Knock, room_id, user, &content, &server).await {
                Ok((pdu, stripped)) => {
                    let (id, version) = (room_id.clone(), pdu.version());
                    let claimed = self.database().write(move |tx| claim_room(tx, &id, version)).await?;
                    let Some(number) = claimed else {
                        return Err(failed(&server, "it gives the room another version than we know".to_owned()));
                    };
                    let event_id = pdu.event_id().clone();
                    let (event, stripped) = (OutsideEvent::New(pdu), Some(prune(stripped)));
                    let outside = Outside { membership: "knock", event, stripped, via: Some(server) };
                    self.set_outside_standing(number, user, outside).await?;
                    return Ok(Joined { room_id: room_id.clone(), event_id });
                }
                Err(JoinError::Store(error)) => return Err(error.into()),
                Err(error) => last = more_telling(last, error),
            }
        }
        Err(last)
    }

    /// A leave or a knock through one server. Returns our event and what the answer tells about the room.
    pub(crate) async fn shake(
        &self,
        handshake: Handshake,
        room_id: &RoomId,
        user: &UserId,
        content: &Object,
        server: &ServerName,
    ) -> Result<(Pdu, Vec<Value>), JoinError> {
        let Taken { version, event } = self.take_template(handshake, room_id, user, content, server).await?;
        let pdu = event
            .sign(version, self.server_name(), self.signing_key())
            .map_err(|error| failed(server, format!("its template makes no valid event: {error}")))?;
        let sent = match handshake {
            Handshake::Leave => {
                self.requests().send_leave(server, room_id, pdu.event_id(), pdu.object()).await.map(|()| Vec::new())
            }
            Handshake::Knock => self.requests().send_knock(server, room_id, pdu.event_id(), pdu.object()).await,
            Handshake::Join => return Err(failed(server, "a join is more than a handshake".to_owned())),
        };
        sent.map(|stripped| (pdu, stripped)).map_err(|error| refused(server, error))
    }
}
