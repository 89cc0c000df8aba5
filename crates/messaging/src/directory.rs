//! Room aliases and published rooms. C-S API, "Room aliases", "Published room directory".

use events::{Object, RoomAlias, RoomId, ServerName, UserId, Value};
use persistence::transactions::{aliases, events as event_rows, rooms as room_rows};
use persistence::{ReadTx, StoreError};
use serde_json::json;
use transport::ApiError;
use transport::questions::{Answer, DirectoryFilter, DirectoryQuestions};

use crate::limits::PUBLIC_ROOMS_MAX;
use crate::{Messaging, MessagingError};

/// A page of published rooms.
#[derive(Debug, Clone, Default)]
pub struct PublicRooms {
    /// Each as the specification's `PublishedRoomsChunk`.
    pub chunk: Vec<Value>,
    /// Where the next page starts.
    pub next_batch: Option<String>,
    /// How many there are in all.
    pub total: usize,
}

impl Messaging {
    /// Returns the room of an alias and servers that are in it: from our own table, or from the alias's server.
    pub async fn resolve_alias(&self, alias: &RoomAlias) -> Result<(RoomId, Vec<ServerName>), MessagingError> {
        if alias.server() != *self.server_name() {
            let answer = self.graph().requests().query_directory(&alias.server(), alias).await;
            return answer.map_err(|error| pdu::refused(&alias.server(), error).into());
        }
        let (name, us) = (alias.clone(), self.server_name().clone());
        let found = self
            .database()
            .read(move |tx| {
                let Some(room_id) = aliases::room_of(tx, &name)? else { return Ok(None) };
                let mut servers = match room_rows::by_id(tx, &room_id)? {
                    Some(row) => room_rows::servers(tx, row.number)?,
                    None => Vec::new(),
                };
                servers.retain(|server| *server != us);
                servers.insert(0, us.clone());
                Ok::<_, StoreError>(Some((room_id, servers)))
            })
            .await?;
        found.ok_or_else(|| MessagingError::NotFound(format!("the alias {alias} is not known")))
    }

    /// Makes an alias.
    pub async fn create_alias(
        &self,
        alias: &RoomAlias,
        room_id: &RoomId,
        creator: &UserId,
    ) -> Result<(), MessagingError> {
        if alias.server() != *self.server_name() {
            return Err(MessagingError::Invalid(format!("{alias} is not an alias of this server")));
        }
        self.joined_room(room_id, creator).await?;
        self.store_alias(alias, room_id, creator).await
    }

    pub(crate) async fn store_alias(
        &self,
        alias: &RoomAlias,
        room_id: &RoomId,
        creator: &UserId,
    ) -> Result<(), MessagingError> {
        let (name, id, who) = (alias.clone(), room_id.clone(), creator.clone());
        let made = self.database().write(move |tx| aliases::insert(tx, &name, &id, &who)).await?;
        if made { Ok(()) } else { Err(MessagingError::InUse(format!("the alias {alias} is taken"))) }
    }

    /// Removes an alias. Its creator may, and whoever may set the room's canonical alias.
    pub async fn delete_alias(&self, alias: &RoomAlias, user: &UserId) -> Result<(), MessagingError> {
        let name = alias.clone();
        let found = self.database().read(move |tx| aliases::find(tx, &name)).await?;
        let (room_id, creator) =
            found.ok_or_else(|| MessagingError::NotFound(format!("the alias {alias} is not known")))?;
        if creator != *user && !self.may_send_state(&room_id, user, "m.room.canonical_alias").await? {
            return Err(MessagingError::Forbidden(format!("{user} may not remove the alias {alias}")));
        }
        let name = alias.clone();
        self.database().write(move |tx| aliases::remove(tx, &name)).await?;
        self.drop_from_canonical_alias(&room_id, user, alias).await;
        Ok(())
    }

    /// Takes a removed alias out of `m.room.canonical_alias`, if the user may.
    async fn drop_from_canonical_alias(&self, room_id: &RoomId, user: &UserId, alias: &RoomAlias) {
        let Ok(Some(current)) = self.state_event(room_id, "m.room.canonical_alias", "").await else { return };
        let mut content = current.content().clone();
        if content.get("alias").and_then(Value::as_str) == Some(alias.as_str()) {
            content.remove("alias");
        }
        if let Some(others) = content.get_mut("alt_aliases").and_then(Value::as_array_mut) {
            others.retain(|other| other.as_str() != Some(alias.as_str()));
        }
        if content != *current.content()
            && let Err(error) = self.set_state(user, room_id, "m.room.canonical_alias", "", content).await
        {
            tracing::info!(room.id = %room_id, "{alias} stays in the canonical alias: {error}");
        }
    }

    /// Returns our aliases of a room.
    pub async fn aliases_of(&self, room_id: &RoomId) -> Result<Vec<RoomAlias>, MessagingError> {
        let id = room_id.clone();
        Ok(self.database().read(move |tx| aliases::of_room(tx, &id)).await?)
    }

    /// Returns the alias of this server with that localpart, if it is free.
    pub(crate) async fn free_alias(&self, localpart: &str) -> Result<RoomAlias, MessagingError> {
        let alias = RoomAlias::parse(format!("#{localpart}:{}", self.server_name()))
            .map_err(|error| MessagingError::Invalid(error.to_string()))?;
        let name = alias.clone();
        match self.database().read(move |tx| aliases::room_of(tx, &name)).await? {
            Some(_) => Err(MessagingError::InUse(format!("the alias {alias} is taken"))),
            None => Ok(alias),
        }
    }

    /// Every alias that `m.room.canonical_alias` gains must be one of the room. C-S API, "`m.room.canonical_alias`".
    pub(crate) async fn check_canonical_alias(&self, room_id: &RoomId, content: &Object) -> Result<(), MessagingError> {
        let before = self.state_event(room_id, "m.room.canonical_alias", "").await?;
        let known: Vec<String> = before.map(|pdu| named_aliases(pdu.content())).unwrap_or_default();
        for name in named_aliases(content).into_iter().filter(|name| !known.contains(name)) {
            let alias = RoomAlias::parse(&name).map_err(|error| MessagingError::Invalid(error.to_string()))?;
            match self.resolve_alias(&alias).await {
                Ok((id, _)) if id == *room_id => {}
                Ok(_) | Err(_) => {
                    return Err(MessagingError::BadAlias(format!("{alias} does not point to this room")));
                }
            }
        }
        Ok(())
    }

    /// Publishes a room in the directory.
    pub async fn publish(&self, room_id: &RoomId) -> Result<(), MessagingError> {
        let id = room_id.clone();
        Ok(self.database().write(move |tx| aliases::publish(tx, &id)).await?)
    }

    /// Takes a room out of the directory.
    pub async fn unpublish(&self, room_id: &RoomId) -> Result<(), MessagingError> {
        let id = room_id.clone();
        Ok(self.database().write(move |tx| aliases::unpublish(tx, &id)).await?)
    }

    /// Says whether a room that we know is in the directory.
    pub async fn is_published(&self, room_id: &RoomId) -> Result<bool, MessagingError> {
        self.room(room_id).await?;
        let id = room_id.clone();
        Ok(self.database().read(move |tx| aliases::is_published(tx, &id)).await?)
    }

    /// Says whether a user may send state of a type: to publish a room one must be able to set its canonical alias.
    pub async fn may_send_state(
        &self,
        room_id: &RoomId,
        user: &UserId,
        event_type: &str,
    ) -> Result<bool, MessagingError> {
        let (id, who, event_type) = (room_id.clone(), user.clone(), event_type.to_owned());
        let may = self.database().read(move |tx| {
            let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(false) };
            if room_rows::membership(tx, row.number, &who)?.as_deref() != Some("join") {
                return Ok(false);
            }
            let load = |event_type: &str| -> Result<Option<events::auth::AuthEvent>, StoreError> {
                let Some(event) = room_rows::current(tx, row.number, event_type, "")? else { return Ok(None) };
                Ok(event_rows::load(tx, row.version, event)?.map(|stored| events::auth::AuthEvent::new(&stored.pdu)))
            };
            let Some(create) = load("m.room.create")? else { return Ok(false) };
            let power_levels = load("m.room.power_levels")?;
            let levels = events::power::Levels::new(&create, power_levels.as_ref());
            Ok::<_, StoreError>(levels.user_level(&who) >= levels.required_for(&event_type, true))
        });
        Ok(may.await?)
    }

    /// Returns a page of the rooms that another server publishes, as it answers. Nothing in it is checked.
    pub async fn public_rooms_of(
        &self,
        server: &ServerName,
        limit: usize,
        since: Option<&str>,
        filter: &DirectoryFilter,
    ) -> Result<PublicRooms, MessagingError> {
        let asked = self.graph().requests().public_rooms(server, limit, since, filter).await;
        let mut answer = asked.map_err(|error| MessagingError::from(pdu::refused(server, error)))?;
        let chunk = match answer.remove("chunk") {
            Some(Value::Array(chunk)) => chunk.into_iter().filter(Value::is_object).take(PUBLIC_ROOMS_MAX).collect(),
            _ => return Err(MessagingError::RemoteFailed(format!("{server} answered without a list of rooms"))),
        };
        let total = answer.get("total_room_count_estimate").and_then(Value::as_u64);
        Ok(PublicRooms {
            chunk,
            next_batch: answer.get("next_batch").and_then(Value::as_str).map(str::to_owned),
            total: total.and_then(|total| usize::try_from(total).ok()).unwrap_or(0),
        })
    }

    /// Returns a page of the rooms that this server publishes, the largest first.
    pub async fn public_rooms(
        &self,
        limit: usize,
        since: Option<&str>,
        filter: &DirectoryFilter,
    ) -> Result<PublicRooms, MessagingError> {
        let start: usize = match since {
            Some(since) => {
                since.parse().map_err(|_| MessagingError::Invalid(format!("{since} is no page of the directory")))?
            }
            None => 0,
        };
        let mut rooms = self
            .database()
            .read(move |tx| {
                let mut rooms = Vec::new();
                for room_id in aliases::published(tx)? {
                    if let Some(room) = published_room(tx, &room_id)? {
                        rooms.push(room);
                    }
                }
                Ok::<_, StoreError>(rooms)
            })
            .await?;
        if let Some(search) = filter.generic_search_term.as_deref().map(str::to_lowercase) {
            rooms.retain(|room| {
                let text = |key: &str| room.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
                ["name", "topic", "canonical_alias"].iter().any(|key| text(key).contains(&search))
            });
        }
        if let Some(types) = &filter.room_types {
            rooms.retain(|room| {
                let room_type = room.get("room_type").and_then(Value::as_str);
                types.iter().any(|wanted| wanted.as_deref() == room_type)
            });
        }
        rooms.sort_by_key(|room| std::cmp::Reverse(room.get("num_joined_members").and_then(Value::as_i64)));
        let total = rooms.len();
        let limit = limit.clamp(1, PUBLIC_ROOMS_MAX);
        let chunk: Vec<Value> = rooms.into_iter().skip(start).take(limit).collect();
        let next_batch = (start + chunk.len() < total).then(|| (start + chunk.len()).to_string());
        Ok(PublicRooms { chunk, next_batch, total })
    }
}

/// What the directory says about a room.
fn published_room(tx: &ReadTx<'_>, room_id: &RoomId) -> Result<Option<Value>, StoreError> {
    let Some(row) = room_rows::by_id(tx, room_id)? else { return Ok(None) };
    let mut room = json!({
        "room_id": room_id,
        "num_joined_members": room_rows::count_members(tx, row.number, "join")?,
        "world_readable": false,
        "guest_can_join": false,
    });
    for (event_type, key, name) in [
        ("m.room.name", "name", "name"),
        ("m.room.topic", "topic", "topic"),
        ("m.room.avatar", "url", "avatar_url"),
        ("m.room.canonical_alias", "alias", "canonical_alias"),
        ("m.room.join_rules", "join_rule", "join_rule"),
        ("m.room.create", "type", "room_type"),
        ("m.room.history_visibility", "history_visibility", "world_readable"),
        ("m.room.guest_access", "guest_access", "guest_can_join"),
    ] {
        let Some(event) = room_rows::current(tx, row.number, event_type, "")? else { continue };
        let Some(stored) = event_rows::load(tx, row.version, event)? else { continue };
        let pdu = stored.visible();
        let Some(value) = pdu.content().get(key).and_then(Value::as_str) else { continue };
        room[name] = match name {
            "world_readable" => json!(value == "world_readable"),
            "guest_can_join" => json!(value == "can_join"),
            _ => json!(value),
        };
    }
    Ok(Some(room))
}

fn named_aliases(content: &Object) -> Vec<String> {
    let main = content.get("alias").and_then(Value::as_str);
    let others = content.get("alt_aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    main.into_iter().chain(others).map(str::to_owned).collect()
}

impl DirectoryQuestions for Messaging {
    fn directory<'a>(&'a self, _origin: &'a ServerName, alias: &'a RoomAlias) -> Answer<'a> {
        Box::pin(async move {
            if alias.server() != *self.server_name() {
                return Err(ApiError::not_found(format!("{alias} is not an alias of this server")));
            }
            match self.resolve_alias(alias).await {
                Ok((room_id, servers)) => Ok(json!({ "room_id": room_id, "servers": servers })),
                Err(MessagingError::NotFound(message)) => Err(ApiError::not_found(message)),
                Err(_) => Err(ApiError::internal()),
            }
        })
    }

    fn public_rooms<'a>(
        &'a self,
        _origin: &'a ServerName,
        limit: usize,
        since: Option<String>,
        filter: DirectoryFilter,
    ) -> Answer<'a> {
        Box::pin(async move {
            let page = Messaging::public_rooms(self, limit, since.as_deref(), &filter).await;
            let page = page.map_err(|error| ApiError::invalid_param(error.to_string()))?;
            let mut answer = json!({ "chunk": page.chunk, "total_room_count_estimate": page.total });
            if let Some(next) = page.next_batch {
                answer["next_batch"] = json!(next);
            }
            Ok(answer)
        })
    }
}
