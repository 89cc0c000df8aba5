//! The handshakes of membership: join, leave, knock, invite. S2S API, "Joining Rooms", "Leaving Rooms", "Knocking upon a
//! room", "Inviting to a room".

use events::room_version::EventIdFormat;
use events::{EventId, Object, RoomId, RoomVersion, ServerName, UserId};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use transport::path::PathBuilder;
use transport::questions::{Handshake, Members};

use super::{LONG_LIMITS, Question, RequestError, Requests, STATE_LIMITS};

/// Servers in an answer to `/send_join` that we read.
const SERVERS_IN_ROOM_MAX: usize = 20_000;

/// What `/make_join`, `/make_leave` and `/make_knock` answer. Not to be signed as it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Template {
    /// The version of the room. Version 1 if there is none, says the specification for `/make_join`.
    pub room_version: Option<String>,
    /// An event without hashes and signatures, in which only a few fields are worth reading.
    pub event: Object,
}

/// An invite of somebody else's user.
#[derive(Debug, Clone)]
pub struct Invite<'a> {
    /// The version of the room.
    pub room_version: RoomVersion,
    /// The event, signed by us.
    pub event: &'a Object,
    /// What tells the user about the room.
    pub room_state: Vec<Value>,
}

/// What `/send_join` answers.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The join event with the signatures of the resident server: for restricted rooms. Older servers leave it out.
    pub event: Option<Box<RawValue>>,
    /// The state before the join.
    pub state: Vec<Box<RawValue>>,
    /// The events that authorise the state and the join.
    pub auth_chain: Vec<Box<RawValue>>,
    /// Whether `state` lacks members.
    pub members: Members,
    /// Who is in the room, if the answer says so. What is no server name is left out.
    pub servers_in_room: Option<Vec<ServerName>>,
}

#[derive(Deserialize)]
struct JoinAnswer {
    event: Option<Box<RawValue>>,
    state: Vec<Box<RawValue>>,
    auth_chain: Vec<Box<RawValue>>,
    #[serde(default)]
    members_omitted: bool,
    servers_in_room: Option<Vec<String>>,
}

/// Version 1 of an endpoint answers with a pair: 200 and what version 2 answers.
#[derive(Deserialize)]
struct Pair<T>(#[expect(dead_code, reason = "says nothing")] u16, T);

#[derive(Deserialize)]
struct KnockAnswer {
    knock_room_state: Vec<Value>,
}

#[derive(Deserialize)]
struct InviteAnswer {
    event: Box<RawValue>,
}

impl Requests {
    /// `GET /make_join`, `/make_leave`, `/make_knock`. `versions` are the room versions that we know.
    pub async fn make(
        &self,
        server: &ServerName,
        handshake: Handshake,
        room: &RoomId,
        user: &UserId,
        versions: &[&str],
    ) -> Result<Template, RequestError> {
        let endpoint = match handshake {
            Handshake::Join => "make_join",
            Handshake::Leave => "make_leave",
            Handshake::Knock => "make_knock",
        };
        let path = PathBuilder::new(&format!("/_matrix/federation/v1/{endpoint}")).segment(room).segment(user);
        let path = match handshake {
            Handshake::Join | Handshake::Knock => {
                versions.iter().fold(path, |path, version| path.query("ver", version))
            }
            Handshake::Leave => path,
        };
        self.ask(server, Question::get(path.finish(), LONG_LIMITS)).await
    }

    /// `PUT /send_join`, version 2, or version 1 where that is all there is. `members` says which of them may be left out.
    pub async fn send_join(
        &self,
        server: &ServerName,
        room: &RoomId,
        event_id: &EventId,
        event: &Object,
        members: Members,
    ) -> Result<Joined, RequestError> {
        let path = |version| {
            let path = PathBuilder::new(&format!("/_matrix/federation/{version}/send_join"));
            let path = path.segment(room).segment(event_id);
            match members {
                Members::Omitted => path.query("omit_members", "true").finish(),
                Members::Complete => path.finish(),
            }
        };
        let question = Question::put(path("v2"), event, STATE_LIMITS);
        let answer: JoinAnswer = match self.ask(server, question).await {
            Err(error) if error.is_unrecognized() => {
                let question = Question::put(path("v1"), event, STATE_LIMITS);
                let Pair(_, answer) = self.ask(server, question).await?;
                answer
            }
            answer => answer?,
        };
        Ok(Joined {
            event: answer.event,
            state: answer.state,
            auth_chain: answer.auth_chain,
            members: if answer.members_omitted { Members::Omitted } else { Members::Complete },
            servers_in_room: answer.servers_in_room.map(|names| server_names(&names)),
        })
    }

    /// `PUT /send_leave`, version 2, or version 1 where that is all there is.
    pub async fn send_leave(
        &self,
        server: &ServerName,
        room: &RoomId,
        event_id: &EventId,
        event: &Object,
    ) -> Result<(), RequestError> {
        let path = |version| path_of(version, "send_leave", room, event_id);
        let question = Question::put(path("v2"), event, LONG_LIMITS);
        match self.ask::<Value>(server, question).await {
            Err(error) if error.is_unrecognized() => {
                let question = Question::put(path("v1"), event, LONG_LIMITS);
                self.ask::<Value>(server, question).await?;
            }
            answer => drop(answer?),
        }
        Ok(())
    }

    /// `PUT /send_knock`. Returns the stripped state of the room.
    pub async fn send_knock(
        &self,
        server: &ServerName,
        room: &RoomId,
        event_id: &EventId,
        event: &Object,
    ) -> Result<Vec<Value>, RequestError> {
        let path = path_of("v1", "send_knock", room, event_id);
        let answer: KnockAnswer = self.ask(server, Question::put(path, event, LONG_LIMITS)).await?;
        Ok(answer.knock_room_state)
    }

    /// `PUT /invite`, version 2, or version 1 where that is all there is and the room is of the kind that it knows. Returns the
    /// event with the signature of the invited user's server.
    pub async fn invite(
        &self,
        server: &ServerName,
        room: &RoomId,
        event_id: &EventId,
        invite: Invite<'_>,
    ) -> Result<Box<RawValue>, RequestError> {
        let path = |version| path_of(version, "invite", room, event_id);
        let body = invite.as_version_2();
        let question = Question::put(path("v2"), &body, LONG_LIMITS);
        let answer: InviteAnswer = match self.ask(server, question).await {
            Err(error) if error.is_unrecognized() && invite.is_of_version_1() => {
                let body = invite.as_version_1();
                let question = Question::put(path("v1"), &body, LONG_LIMITS);
                let Pair(_, answer) = self.ask(server, question).await?;
                answer
            }
            answer => answer?,
        };
        Ok(answer.event)
    }
}

impl Invite<'_> {
    fn as_version_2(&self) -> Object {
        Object::from_iter([
            ("room_version".to_owned(), self.room_version.as_str().into()),
            ("event".to_owned(), Value::Object(self.event.clone())),
            ("invite_room_state".to_owned(), Value::Array(self.room_state.clone())),
        ])
    }

    /// Version 1 says nothing of the room's version: whoever knows no other takes it for one of the first two.
    fn is_of_version_1(&self) -> bool {
        self.room_version.rules().event_id == EventIdFormat::Chosen
    }

    fn as_version_1(&self) -> Object {
        let unsigned = Object::from_iter([("invite_room_state".to_owned(), Value::Array(self.room_state.clone()))]);
        let mut event = self.event.clone();
        event.insert("unsigned".to_owned(), Value::Object(unsigned));
        event
    }
}

fn path_of(version: &str, endpoint: &str, room: &RoomId, event_id: &EventId) -> String {
    PathBuilder::new(&format!("/_matrix/federation/{version}/{endpoint}")).segment(room).segment(event_id).finish()
}

fn server_names(names: &[String]) -> Vec<ServerName> {
    names.iter().take(SERVERS_IN_ROOM_MAX).filter_map(|name| ServerName::parse(name).ok()).collect()
}
