//! The state beside a timeline: so that a client which applies it, and then the timeline, has the room's state.

use std::collections::{BTreeMap, BTreeSet};

use defects::Defect;
use events::Value;
use persistence::transactions::news::StateChange;
use persistence::transactions::rooms as room_rows;
use persistence::transactions::{events as event_rows, graph as graph_rows};
use persistence::{EventNumber, Position, SnapshotNumber, StoreError};

use super::RoomSync;
use super::timeline::Timeline;
use crate::reading::format;
use crate::reading::state::{Entries, Members, before_change, entries};

const MEMBER: &str = "m.room.member";

/// What a section says about the state.
pub(super) enum Extent<'a> {
    /// All of it, at the end of the timeline.
    Whole(Option<SnapshotNumber>),
    /// What changed since the client's last sync.
    Changes(&'a [StateChange]),
}

impl RoomSync<'_, '_> {
    /// The state events of a section: those at the start of the timeline, or with `use_state_after` those at its end.
    ///
    /// `heroes` are the users that name the room: with lazy loading they are members that the client needs. `unsettled` is what holds
    /// where an earlier timeline has set something else.
    pub(super) fn state(
        &self,
        extent: &Extent<'_>,
        timeline: &Timeline,
        heroes: &[String],
        unsettled: Entries,
    ) -> Result<Vec<Value>, StoreError> {
        let filter = &self.filter().room.state;
        if !filter.allows_room(&self.room.room_id) {
            return Ok(Vec::new());
        }
        let needed = self.needed_members(extent, timeline, heroes);
        let mut at_end = match extent {
            Extent::Whole(state) => {
                let members = if filter.lazy_load_members { Members::Only(&needed) } else { Members::All };
                entries(self.tx, self.room, *state, members)?
            }
            Extent::Changes(changes) => newest(changes),
        };
        if let (Extent::Changes(_), true) = (extent, filter.lazy_load_members) {
            self.drop_told_members(&needed, &mut at_end)?;
        }
        for (key, event) in unsettled {
            at_end.entry(key).or_insert(event);
        }
        let redundant = match extent {
            Extent::Whole(_) => BTreeSet::new(),
            Extent::Changes(_) => self.add_needed_members(&needed, &mut at_end)?,
        };
        let chosen = self.at_start_or_end(extent, timeline, at_end)?;
        let mut state = Vec::new();
        let mut memberships = timeline.memberships.clone();
        for ((event_type, state_key), event) in chosen {
            let Some(stored) = event_rows::load(self.tx, self.room.version, event)? else { continue };
            let pdu = stored.visible();
            if redundant.contains(&event) || !filter.allows(&event_type, pdu.sender(), pdu.content()) {
                continue;
            }
            let client = format::plain(&self.sight, self.viewer(), &stored, self.request.now)?;
            state.push(format::for_sync(self.filter(), &stored, client));
            if event_type == MEMBER {
                memberships.push((state_key, event));
            }
        }
        if filter.lazy_load_members {
            let known = self.known_members();
            if self.request.since.is_none() {
                known.clear();
            }
            known.note(memberships, self.to.events);
        }
        Ok(state)
    }

    /// What holds where a timeline has set something else: an event that came late, and lost against what was there. C-S API,
    /// "Syncing": a client applies the timeline to the state, and so takes the loser for the state. With `use_state_after` it does not.
    /// An entry that is gone altogether cannot be told.
    pub(super) fn contradictions(&self, timeline: &Timeline) -> Result<Entries, StoreError> {
        let mut holds = Entries::new();
        if self.request.use_state_after {
            return Ok(holds);
        }
        for (key, event) in &timeline.sets {
            let current = room_rows::current(self.tx, self.room.number, &key.0, &key.1)?;
            if let Some(current) = current.filter(|current| current != event) {
                holds.insert(key.clone(), current);
            }
        }
        Ok(holds)
    }

    /// What holds where the timelines of the client's last syncs have set something else.
    pub(super) fn unsettled(&self) -> Result<Entries, StoreError> {
        match self.request.since {
            Some(since) if since.settled < since.events && !defects::is_on(Defect::SyncIsNotSettled) => {
                self.contradictions(&self.timeline(since.settled, since.events)?)
            }
            Some(_) | None => Ok(Entries::new()),
        }
    }

    /// With lazy loading, drops the members whom another server told us of after we had joined: they are no news to the client, which
    /// has not been told the others either.
    fn drop_told_members(&self, needed: &BTreeSet<String>, at_end: &mut Entries) -> Result<(), StoreError> {
        let mut told = Vec::new();
        for (key, event) in
            at_end.iter().filter(|((event_type, user), _)| event_type == MEMBER && !needed.contains(user))
        {
            if graph_rows::place(self.tx, *event)?.is_none() {
                told.push(key.clone());
            }
        }
        told.iter().for_each(|key| _ = at_end.remove(key));
        Ok(())
    }

    /// With lazy loading, the members that the client needs to show the section.
    fn needed_members(&self, extent: &Extent<'_>, timeline: &Timeline, heroes: &[String]) -> BTreeSet<String> {
        if !self.filter().room.state.lazy_load_members {
            return BTreeSet::new();
        }
        let mut needed = timeline.senders.clone();
        needed.extend(heroes.iter().cloned());
        if matches!(extent, Extent::Whole(_)) {
            needed.insert(self.viewer().user.to_string());
        }
        needed
    }

    /// Adds the members needed beside what changed; returns those of them that the client has been sent before.
    fn add_needed_members(
        &self,
        needed: &BTreeSet<String>,
        at_end: &mut Entries,
    ) -> Result<BTreeSet<EventNumber>, StoreError> {
        let mut redundant = BTreeSet::new();
        if needed.is_empty() {
            return Ok(redundant);
        }
        let known = self.known_members();
        for user in needed {
            let key = (MEMBER.to_owned(), user.clone());
            if at_end.contains_key(&key) {
                continue;
            }
            if let Some(event) = room_rows::current(self.tx, self.room.number, MEMBER, user)? {
                at_end.insert(key, event);
                if !self.filter().room.state.include_redundant_members
                    && known.contains(user, event, self.since_events())
                {
                    redundant.insert(event);
                }
            }
        }
        Ok(redundant)
    }

    /// What the timeline itself sets is left to it; in its place stands what was there at its start.
    fn at_start_or_end(
        &self,
        extent: &Extent<'_>,
        timeline: &Timeline,
        at_end: Entries,
    ) -> Result<Entries, StoreError> {
        if self.request.use_state_after {
            return Ok(at_end);
        }
        let before = timeline.first.and_then(|first| first.state_before);
        let mut chosen = Entries::new();
        for (key, event) in at_end {
            if !timeline.numbers.contains(&event) {
                chosen.insert(key, event);
                continue;
            }
            let at_start = match before {
                Some(before) => self.sight.entry(before, &key.0, &key.1)?,
                None => None,
            };
            let Some(at_start) = at_start.filter(|event| !timeline.numbers.contains(event)) else { continue };
            let is_news = match extent {
                Extent::Whole(_) => true,
                // Without a gap the client has it from the timeline before.
                Extent::Changes(changes) => timeline.limited && !self.was_known(changes, &key, at_start)?,
            };
            if is_news {
                chosen.insert(key, at_start);
            }
        }
        Ok(chosen)
    }

    /// Says whether an entry had this event at the client's last sync.
    fn was_known(
        &self,
        changes: &[StateChange],
        (event_type, state_key): &(String, String),
        event: EventNumber,
    ) -> Result<bool, StoreError> {
        let first = changes.iter().find(|change| change.event_type == *event_type && change.state_key == *state_key);
        Ok(first.map(|first| before_change(self.tx, first)).transpose()?.flatten() == Some(event))
    }
}

/// What the changed entries have after the changes. One that has no event any longer cannot be told.
fn newest(changes: &[StateChange]) -> Entries {
    let mut newest = BTreeMap::new();
    for change in changes {
        let key = (change.event_type.clone(), change.state_key.clone());
        match change.event {
            Some(event) => newest.insert(key, event),
            None => newest.remove(&key),
        };
    }
    newest
}

/// What had changed by the end of a stay, which may lie before the end of `changes`.
pub(super) fn up_to(changes: &[StateChange], end: Position) -> &[StateChange] {
    &changes[..changes.partition_point(|change| change.position <= end)]
}
