//! What other servers ask of us: one trait for each family of questions. The layers above implement them.
//!
//! Each `origin` has proved who it is. Each answer is the JSON body of the response, but for files.

use std::time::Duration;

use bytes::Bytes;
use events::{EventId, Object, RoomAlias, RoomId, ServerName, UserId};
use futures_util::stream::BoxStream;
use persistence::transactions::graph::Direction;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::exchange::BoxFuture;
use crate::streamed::StreamedAnswer;

/// The answer to a question.
pub type Answer<'a> = BoxFuture<'a, Result<Value, ApiError>>;

/// The body of `PUT /send/{txnId}`. At most 50 PDUs and 100 EDUs: the endpoint has counted.
#[derive(Debug, Clone, Default)]
pub struct TransactionBody {
    /// Nothing is checked about these, not even that they are objects.
    pub pdus: Vec<Box<RawValue>>,
    /// Objects with an `edu_type` and a `content`; others have been dropped.
    pub edus: Vec<Edu>,
}

/// An ephemeral data unit. S2S API, "EDUs".
#[derive(Debug, Clone, PartialEq)]
pub struct Edu {
    /// `m.typing` and the like.
    pub edu_type: String,
    /// What it says.
    pub content: Value,
}

/// Takes transactions. The transaction layer implements it.
pub trait Inbox: Send + Sync {
    /// Processes a transaction once, and answers every repetition with the first answer.
    fn receive<'a>(&'a self, origin: &'a ServerName, id: &'a str, body: TransactionBody) -> Answer<'a>;
}

/// Where a server wants to hear on from of what we sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveredAfter {
    /// After the transaction with this id, the last that it has.
    Transaction(String),
    /// After the page that ended with this number.
    Number(i64),
}

/// Questions about what we sent before: everything after a position of the ordered stream to the one who asks. The transaction
/// layer implements it.
pub trait DeliveryQuestions: Send + Sync {
    /// `GET /_matrix/federation/unstable/org.althing.delivered`, which servers of our kind ask each other.
    fn delivered_after<'a>(&'a self, origin: &'a ServerName, after: DeliveredAfter) -> Answer<'a>;
}

/// Which handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// `make_join`, `send_join`
    Join,
    /// `make_leave`, `send_leave`
    Leave,
    /// `make_knock`, `send_knock`
    Knock,
}

/// Whether the members of a room are in an answer to `/send_join`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// All of them.
    Complete,
    /// Only those that the rest needs.
    Omitted,
}

/// The body of `POST /get_missing_events`.
#[derive(Debug, Clone)]
pub struct MissingEvents {
    /// Do not go further back than these.
    pub earliest_events: Vec<EventId>,
    /// Start before these.
    pub latest_events: Vec<EventId>,
    /// How many at most; bounded by the endpoint.
    pub limit: usize,
    /// Nothing below this depth.
    pub min_depth: i64,
}

/// Questions about the events of rooms. The PDU layer implements it.
pub trait EventQuestions: Send + Sync {
    /// `GET /event/{eventId}`
    fn event<'a>(&'a self, origin: &'a ServerName, event_id: &'a EventId) -> Answer<'a>;
    /// `GET /state/{roomId}`
    fn state<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> StreamedAnswer<'a>;
    /// `GET /state_ids/{roomId}`
    fn state_ids<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a>;
    /// `GET /event_auth/{roomId}/{eventId}`
    fn event_auth<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a>;
    /// `GET /timestamp_to_event/{roomId}`
    fn event_by_time<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        at: i64,
        direction: Direction,
    ) -> Answer<'a>;
    /// `GET /backfill/{roomId}`
    fn backfill<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        from: Vec<EventId>,
        limit: usize,
    ) -> Answer<'a>;
    /// `POST /get_missing_events/{roomId}`
    fn missing_events<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, question: MissingEvents)
    -> Answer<'a>;
}

/// The handshakes of membership. The messaging layer implements it over the PDU layer.
pub trait MembershipQuestions: Send + Sync {
    /// `GET /make_join`, `/make_leave`, `/make_knock`; `versions` is what `ver` lists.
    fn make<'a>(
        &'a self,
        origin: &'a ServerName,
        handshake: Handshake,
        room_id: &'a RoomId,
        user_id: &'a UserId,
        versions: Vec<String>,
    ) -> Answer<'a>;
    /// `PUT /send_join` (v2), `/send_leave` (v2), `/send_knock`. `event` is as it came; `members` says which of them the answer to
    /// a join may leave out.
    fn send<'a>(
        &'a self,
        origin: &'a ServerName,
        handshake: Handshake,
        room_id: &'a RoomId,
        event_id: &'a EventId,
        event: Object,
        members: Members,
    ) -> StreamedAnswer<'a>;
    /// `PUT /v2/invite/{roomId}/{eventId}`; the whole body as it came.
    fn invite<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        event_id: &'a EventId,
        body: Object,
    ) -> Answer<'a>;
}

/// Questions about aliases and published rooms. The messaging layer implements it.
pub trait DirectoryQuestions: Send + Sync {
    /// `GET /query/directory?room_alias=`
    fn directory<'a>(&'a self, origin: &'a ServerName, alias: &'a RoomAlias) -> Answer<'a>;
    /// `GET` and `POST /publicRooms`
    fn public_rooms<'a>(
        &'a self,
        origin: &'a ServerName,
        limit: usize,
        since: Option<String>,
        filter: DirectoryFilter,
    ) -> Answer<'a>;
}

/// The `filter` of `POST /publicRooms`: the rooms that are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryFilter {
    /// A text that the room's name, topic or alias contains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generic_search_term: Option<String>,
    /// The types of rooms, `None` among them for rooms without a type. All if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_types: Option<Vec<Option<String>>>,
}

impl DirectoryFilter {
    /// Whether it lets every room through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Questions about our users. `users` implements it.
pub trait UserQuestions: Send + Sync {
    /// `GET /query/profile?user_id=&field=`
    fn profile<'a>(&'a self, origin: &'a ServerName, user_id: &'a UserId, field: Option<String>) -> Answer<'a>;
    /// `GET /user/devices/{userId}`
    fn devices<'a>(&'a self, origin: &'a ServerName, user_id: &'a UserId) -> Answer<'a>;
    /// `POST /user/keys/query`
    fn query_keys<'a>(&'a self, origin: &'a ServerName, body: Object) -> Answer<'a>;
    /// `POST /user/keys/claim`
    fn claim_keys<'a>(&'a self, origin: &'a ServerName, body: Object) -> Answer<'a>;
}

/// A file for another server.
pub struct FileAnswer {
    /// `Content-Type`
    pub content_type: String,
    /// `Content-Disposition`
    pub disposition: String,
    /// How many bytes `content` will have.
    pub bytes: u64,
    /// The content. Ends with an error if it cannot be read to its end.
    pub content: BoxStream<'static, std::io::Result<Bytes>>,
}

/// How a thumbnail is to be. C-S API, "Thumbnails".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThumbnailQuestion {
    /// In pixels; not 0.
    pub width: u32,
    /// In pixels; not 0.
    pub height: u32,
    /// Whether it may be cut.
    pub method: ThumbnailMethod,
    /// Whether it may move.
    pub motion: Motion,
}

/// How an image is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ThumbnailMethod {
    /// Cut to the ratio that was asked for.
    Crop,
    /// In its own ratio.
    Scale,
}

/// Whether a thumbnail may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Motion {
    /// It must not.
    Still,
    /// It should, if the original does.
    Animated,
}

/// Questions about our users' files. `media` implements it. `patience` is how long to wait for a file that is yet to come, bounded
/// by whoever answers.
pub trait MediaQuestions: Send + Sync {
    /// `GET /media/download/{mediaId}`
    fn download<'a>(
        &'a self,
        origin: &'a ServerName,
        media_id: &'a str,
        patience: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>>;
    /// `GET /media/thumbnail/{mediaId}`
    fn thumbnail<'a>(
        &'a self,
        origin: &'a ServerName,
        media_id: &'a str,
        question: ThumbnailQuestion,
        patience: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>>;
}
