//! Questions about aliases, published rooms, users, devices and keys. S2S API, "Querying for information", "Published Room
//! Directory", "Device Management", "End-to-End Encryption".

use events::{Object, RoomAlias, RoomId, ServerName, UserId};
use serde::Deserialize;
use serde_json::Value;
use transport::path::PathBuilder;
use transport::questions::DirectoryFilter;

use super::{LONG_LIMITS, QUICK_LIMITS, Question, RequestError, Requests};

/// Servers in an answer to `/query/directory` that we read.
const SERVERS_MAX: usize = 1_000;
/// Rooms that we ask for in one page of a directory.
const PUBLIC_ROOMS_MAX: usize = 500;

#[derive(Deserialize)]
struct DirectoryAnswer {
    room_id: RoomId,
    servers: Vec<String>,
}

impl Requests {
    /// `GET /query/directory`: the room that an alias stands for, and servers that are in it. What is no server name is left
    /// out.
    pub async fn query_directory(
        &self,
        server: &ServerName,
        alias: &RoomAlias,
    ) -> Result<(RoomId, Vec<ServerName>), RequestError> {
        let path = PathBuilder::new("/_matrix/federation/v1/query/directory").query("room_alias", alias).finish();
        let answer: DirectoryAnswer = self.ask(server, Question::get(path, QUICK_LIMITS)).await?;
        let servers = answer.servers.iter().take(SERVERS_MAX).filter_map(|name| ServerName::parse(name).ok()).collect();
        Ok((answer.room_id, servers))
    }

    /// `GET /query/profile`, to the user's own server: the whole profile, or one field of it.
    pub async fn query_profile(&self, user: &UserId, field: Option<&str>) -> Result<Object, RequestError> {
        let path = PathBuilder::new("/_matrix/federation/v1/query/profile").query("user_id", user);
        let path = field.into_iter().fold(path, |path, field| path.query("field", field)).finish();
        self.ask(&user.server(), Question::get(path, QUICK_LIMITS)).await
    }

    /// `GET /user/devices`, to the user's own server.
    pub async fn devices(&self, user: &UserId) -> Result<Object, RequestError> {
        let path = PathBuilder::new("/_matrix/federation/v1/user/devices").segment(user).finish();
        self.ask(&user.server(), Question::get(path, LONG_LIMITS)).await
    }

    /// `POST /user/keys/query`; `device_keys` lists devices for each user, none for all.
    pub async fn query_keys(&self, server: &ServerName, device_keys: Object) -> Result<Object, RequestError> {
        let path = "/_matrix/federation/v1/user/keys/query".to_owned();
        let body = Object::from_iter([("device_keys".to_owned(), Value::Object(device_keys))]);
        self.ask(server, Question::post(path, &body, LONG_LIMITS)).await
    }

    /// `POST /user/keys/claim`; `one_time_keys` names an algorithm for each user's device.
    pub async fn claim_keys(&self, server: &ServerName, one_time_keys: Object) -> Result<Object, RequestError> {
        let path = "/_matrix/federation/v1/user/keys/claim".to_owned();
        let body = Object::from_iter([("one_time_keys".to_owned(), Value::Object(one_time_keys))]);
        self.ask(server, Question::post(path, &body, LONG_LIMITS)).await
    }

    /// `POST /publicRooms`: a page of the directory of `server`.
    pub async fn public_rooms(
        &self,
        server: &ServerName,
        limit: usize,
        since: Option<&str>,
        filter: &DirectoryFilter,
    ) -> Result<Object, RequestError> {
        let mut body = Object::from_iter([("limit".to_owned(), Value::from(limit.min(PUBLIC_ROOMS_MAX)))]);
        if let Some(since) = since {
            body.insert("since".to_owned(), since.into());
        }
        if !filter.is_empty() {
            body.insert("filter".to_owned(), serde_json::json!(filter));
        }
        let path = "/_matrix/federation/v1/publicRooms".to_owned();
        self.ask(server, Question::post(path, &body, LONG_LIMITS)).await
    }
}
