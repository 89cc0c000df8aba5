//! The section of a room that the user is in.

use defects::Defect;
use events::{Object, Value};
use persistence::transactions::account_data;
use persistence::transactions::news::{self, StateChange};
use persistence::{Position, StoreError};
use serde_json::json;

use super::RoomSync;
use super::state::Extent;
use super::summary::Summary;
use crate::unread::{Counter, Counts};

impl RoomSync<'_, '_> {
    /// The section, and whether its timeline contradicts the state. `None` if nothing of the room is new to the client.
    pub(super) fn joined(&self) -> Result<Option<(Value, bool)>, StoreError> {
        let since = self.since_events();
        let changes = match self.request.since {
            Some(_) if !defects::is_on(Defect::SyncTellsNoChanges) => {
                news::state_changes(self.tx, self.room.number, since, self.to.events)?
            }
            Some(_) | None => Vec::new(),
        };
        let entered = !self.was_in_since(&changes, None)?;
        let whole = entered || self.request.full_state;
        let mut timeline = self.timeline(if entered { Position(0) } else { since }, self.to.events)?;
        // Who comes into a room has not seen what was there before, nor what happened while they were out.
        timeline.limited |= entered && self.request.since.is_some();
        let summary = if whole || changes.iter().any(concerns_summary) { self.summary()? } else { None };
        let heroes = summary.as_ref().map(|summary| summary.heroes.clone()).unwrap_or_default();
        let extent = if whole { Extent::Whole(self.room.state) } else { Extent::Changes(&changes) };
        let state = self.state(&extent, &timeline, &heroes, self.unsettled()?)?;
        let ephemeral = self.ephemeral(entered)?;
        let account_data = self.room_account_data(entered)?;
        if !whole
            && timeline.events.is_empty()
            && !timeline.limited
            && state.is_empty()
            && summary.is_none()
            && ephemeral.is_empty()
            && account_data.is_empty()
        {
            return Ok(None);
        }
        let mut section = json!({
            "timeline": timeline.to_json(),
            "ephemeral": { "events": ephemeral },
            "account_data": { "events": account_data },
            "summary": summary.map_or_else(|| json!({}), |summary| summary.json),
        });
        self.put_state(&mut section, state);
        self.put_unread(&mut section)?;
        let contradicted = !self.contradictions(&timeline)?.is_empty();
        Ok(Some((section, contradicted)))
    }

    pub(super) fn put_state(&self, section: &mut Value, state: Vec<Value>) {
        let key = if self.request.use_state_after { "state_after" } else { "state" };
        section[key] = json!({ "events": state });
    }

    fn summary(&self) -> Result<Option<SummaryOfReader>, StoreError> {
        let Some(state) = self.room.state else { return Ok(None) };
        let summary = Summary::of(self.tx, self.memory, self.room, state)?;
        let heroes = summary.heroes(self.tx, self.room, &self.viewer().user)?;
        let json = summary.to_json(heroes.as_deref());
        Ok(Some(SummaryOfReader { json, heroes: heroes.iter().flatten().map(ToString::to_string).collect() }))
    }

    fn put_unread(&self, section: &mut Value) -> Result<(), StoreError> {
        let counter = Counter {
            tx: self.tx,
            room: self.room,
            user: &self.viewer().user,
            ignored: self.ignored,
            rules: self.rules,
            memory: self.memory,
        };
        let unread = counter.count(self.to.events)?;
        if self.filter().room.timeline.unread_thread_notifications {
            section["unread_notifications"] = counts(unread.main());
            let threads: Object = unread.threads().map(|(root, of)| (root.to_owned(), counts(of))).collect();
            section["unread_thread_notifications"] = Value::Object(threads);
        } else {
            section["unread_notifications"] = counts(unread.total());
        }
        Ok(())
    }

    /// What the user has stored for the room since; for a room that they have come into, all of it.
    pub(super) fn room_account_data(&self, entered: bool) -> Result<Vec<Value>, StoreError> {
        let filter = &self.filter().room.account_data;
        let room_id = &self.room.room_id;
        if !filter.allows_room(room_id) {
            return Ok(Vec::new());
        }
        let mut events = match self.request.account_data.get(room_id) {
            Some(changed) if !entered => changed.clone(),
            None if !entered => Vec::new(),
            Some(_) | None => {
                let all = account_data::all_of_room(self.tx, &self.viewer().user, room_id)?;
                all.into_iter().map(|(data_type, content)| datum(&data_type, &content)).collect()
            }
        };
        events.retain(|event| event["type"].as_str().is_some_and(|data_type| filter.events.allows_type(data_type)));
        Ok(events)
    }
}

/// A summary as one reader gets it.
struct SummaryOfReader {
    json: Value,
    heroes: Vec<String>,
}

/// Members are counted and name a room that has no name.
fn concerns_summary(change: &StateChange) -> bool {
    matches!(change.event_type.as_str(), "m.room.member" | "m.room.name" | "m.room.canonical_alias")
}

fn counts(counts: Counts) -> Value {
    json!({ "notification_count": counts.notifications, "highlight_count": counts.highlights })
}

/// A piece of account data as a client gets it. What is stored and no JSON is shown as empty.
pub fn datum(data_type: &str, content: &str) -> Value {
    let content: Value = serde_json::from_str(content).unwrap_or_else(|_| json!({}));
    json!({ "type": data_type, "content": content })
}
