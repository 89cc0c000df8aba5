//! Pages of history, and what surrounds an event. C-S API, "Getting events for a room", "Event Context".

use std::collections::BTreeSet;

use events::{EventId, RoomId, Value};
use persistence::transactions::graph::{Direction, Place, TopologicalPoint};
use persistence::transactions::history::{self as history_rows, Moment, Stretch};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{events as event_rows, rooms as room_rows};
use persistence::{SnapshotNumber, StoreError};

use super::state::{Members, entries};
use super::{HistoryPoint, Sight, Stay, Viewer, format, not_in_room, not_there, readable, visible};
use crate::filter::RoomEventFilter;
use crate::ignored::Ignored;
use crate::limits::{BACKFILL_ROUNDS_MAX, LOOK_STEP, PAGE_LOOK_MAX};
use crate::{Messaging, MessagingError};

/// Which page of a room's history is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Where it begins; `None` for the end that the direction starts at.
    pub from: Option<HistoryPoint>,
    /// Where it ends at the latest.
    pub to: Option<HistoryPoint>,
    /// In which direction.
    pub direction: Direction,
    /// How many events at most.
    pub limit: usize,
    /// Which events, and whether with the memberships of their senders.
    pub filter: RoomEventFilter,
}

/// A page of a room's history.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events that the user may see, in the order asked for.
    pub chunk: Vec<Value>,
    /// Where the page began.
    pub start: HistoryPoint,
    /// Where it ended.
    pub reached: HistoryPoint,
    /// Nothing lies beyond.
    pub is_last: bool,
    /// The memberships of the senders, if they are wanted.
    pub state: Vec<Value>,
}

/// What surrounds an event.
#[derive(Debug, Clone)]
pub struct Context {
    /// The event.
    pub event: Value,
    /// What came before it, newest first.
    pub before: Page,
    /// What came after it, oldest first.
    pub after: Page,
    /// The state at the last of these events.
    pub state: Vec<Value>,
}

/// What to do at an event whose parents are not all here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// Stop there: other servers are going to be asked.
    Stop,
    /// Go on: they did not help.
    Pass,
}

/// A page on its way.
struct Look<'s, 'a, 'c> {
    sight: &'s Sight<'a, 'c>,
    viewer: &'s Viewer,
    request: &'s PageRequest,
    ignored: Ignored,
    now: i64,
    page: Page,
    /// The topological number of the first event with a gap before it.
    gap: Option<i64>,
    senders: BTreeSet<String>,
    newest: Option<Place>,
}

impl Messaging {
    /// Returns a page of history. Where a gap shows, other servers are asked to fill it.
    pub async fn history(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        request: PageRequest,
    ) -> Result<Page, MessagingError> {
        for _ in 0..BACKFILL_ROUNDS_MAX {
            let (page, gap) = self.page(viewer, room_id, &request, Gaps::Stop).await?;
            let Some(gap) = gap else { return Ok(page) };
            if self.graph().backfill(room_id, gap).await? == 0 {
                break;
            }
        }
        Ok(self.page(viewer, room_id, &request, Gaps::Pass).await?.0)
    }

    async fn page(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        request: &PageRequest,
        gaps: Gaps,
    ) -> Result<(Page, Option<i64>), MessagingError> {
        let (viewer, id, request) = (viewer.clone(), room_id.clone(), request.clone());
        let now = self.handles().clock.now();
        let page = self
            .database()
            .read(move |tx| {
                let Some(room) = readable(tx, &viewer, &id)? else { return Ok(None) };
                let sight = Sight::new(tx, &viewer.user, &room);
                let mut look = Look::new(&sight, &viewer, &request, now)?;
                look.walk(gaps)?;
                look.add_senders()?;
                Ok::<_, StoreError>(Some((look.page, look.gap)))
            })
            .await?;
        page.ok_or_else(|| not_in_room(room_id))
    }

    /// Returns what surrounds an event: at most `limit` events before and after it together.
    pub async fn context(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        event_id: &EventId,
        limit: usize,
        filter: RoomEventFilter,
    ) -> Result<Context, MessagingError> {
        let event = self.event(viewer, room_id, event_id).await?;
        let place = self.place_of(viewer, room_id, event_id).await?;
        let page = |direction, from, limit| PageRequest {
            from: Some(HistoryPoint::Topological(from)),
            to: None,
            direction,
            limit,
            filter: RoomEventFilter { lazy_load_members: false, ..filter.clone() },
        };
        let earlier = page(Direction::Backwards, TopologicalPoint::before(&place), limit / 2);
        let later = page(Direction::Forwards, TopologicalPoint::after(&place), limit - limit / 2);
        let before = self.history(viewer, room_id, earlier).await?;
        let after = self.history(viewer, room_id, later).await?;
        let shown: Vec<&Value> = before.chunk.iter().chain([&event]).chain(&after.chunk).collect();
        let senders = shown.iter().filter_map(|event| event["sender"].as_str().map(str::to_owned)).collect();
        let last = after.chunk.last().unwrap_or(&event)["event_id"].as_str().and_then(|id| EventId::parse(id).ok());
        let last = last.unwrap_or_else(|| event_id.clone());
        let state = self.state_at(viewer, room_id, last, filter, senders).await?;
        Ok(Context { event, before, after, state })
    }

    async fn place_of(&self, viewer: &Viewer, room_id: &RoomId, event: &EventId) -> Result<Place, MessagingError> {
        let (viewer, id, wanted) = (viewer.clone(), room_id.clone(), event.clone());
        let found = self.database().read(move |tx| {
            let Some(room) = room_rows::by_id(tx, &id)? else { return Ok(None) };
            let found = visible(&Sight::new(tx, &viewer.user, &room), &wanted)?;
            Ok::<_, StoreError>(found.map(|(_, place)| place))
        });
        found.await?.ok_or_else(|| not_there(event))
    }

    /// Returns the state after an event, as far as `filter` lets it through; lazily, only the members `senders`.
    async fn state_at(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        event: EventId,
        filter: RoomEventFilter,
        senders: BTreeSet<String>,
    ) -> Result<Vec<Value>, MessagingError> {
        let (viewer, id, now) = (viewer.clone(), room_id.clone(), self.handles().clock.now());
        let state = self.database().read(move |tx| {
            let Some(room) = readable(tx, &viewer, &id)?.filter(|room| filter.allows_room(&room.room_id)) else {
                return Ok(Vec::new());
            };
            let sight = Sight::new(tx, &viewer.user, &room);
            let place = visible(&sight, &event)?.map(|(_, place)| place);
            let at = place.map(|place| state_after(&sight, &place)).transpose()?.flatten();
            let members = if filter.lazy_load_members { Members::Only(&senders) } else { Members::All };
            let mut state = Vec::new();
            for event in entries(tx, &room, at, members)?.into_values() {
                if let Some(stored) = event_rows::load(tx, room.version, event)?
                    && filter.allows(stored.pdu.event_type(), stored.pdu.sender(), stored.pdu.content())
                {
                    state.push(format::plain(&sight, &viewer, &stored, now)?);
                }
            }
            Ok::<_, StoreError>(state)
        });
        Ok(state.await?)
    }
}

fn state_after(sight: &Sight<'_, '_>, place: &Place) -> Result<Option<SnapshotNumber>, StoreError> {
    match place.state_after {
        Some(state) => Ok(Some(state)),
        None => sight.state_around(place),
    }
}

impl<'s, 'a, 'c> Look<'s, 'a, 'c> {
    fn new(
        sight: &'s Sight<'a, 'c>,
        viewer: &'s Viewer,
        request: &'s PageRequest,
        now: i64,
    ) -> Result<Self, StoreError> {
        let start = match request.from {
            Some(from) => from,
            None => first_point(sight, request.direction)?,
        };
        let page = Page { chunk: Vec::new(), start, reached: start, is_last: false, state: Vec::new() };
        let ignored = Ignored::read(sight.tx(), &viewer.user)?;
        let senders = BTreeSet::new();
        Ok(Self { sight, viewer, request, ignored, now, page, gap: None, senders, newest: None })
    }

    fn walk(&mut self, gaps: Gaps) -> Result<(), StoreError> {
        let (tx, room) = (self.sight.tx(), self.sight.room());
        let mut stretch = self.stretch()?;
        let mut looked_at = 0;
        let mut last = None;
        loop {
            let places = history_rows::page(tx, room.number, &stretch, self.request.direction, LOOK_STEP)?;
            for place in &places {
                if self.page.chunk.len() >= self.request.limit || looked_at >= PAGE_LOOK_MAX {
                    return Ok(());
                }
                looked_at += 1;
                last = Some(*place);
                let may_see = self.add(place)?;
                self.page.reached = self.beyond(place);
                if may_see && gaps == Gaps::Stop && history_rows::lacks_parent(tx, place.event)? {
                    self.gap = Some(place.topological);
                    return Ok(());
                }
            }
            if places.len() < usize::try_from(LOOK_STEP).unwrap_or(usize::MAX) {
                break;
            }
            if let Some(last) = &last {
                match self.request.direction {
                    Direction::Forwards => stretch.after = TopologicalPoint::after(last),
                    Direction::Backwards => stretch.up_to = TopologicalPoint::before(last),
                }
            }
        }
        // Behind a gap there is more, which somebody may give us later: whoever still gets something may ask again.
        let at_gap = match last.filter(|_| self.request.direction == Direction::Backwards) {
            Some(last) => !self.page.chunk.is_empty() && history_rows::lacks_parent(tx, last.event)?,
            None => false,
        };
        self.page.is_last = !at_gap;
        Ok(())
    }

    /// Adds an event to the page, if it is to be shown. Returns whether the user may see it.
    fn add(&mut self, place: &Place) -> Result<bool, StoreError> {
        let (sight, filter) = (self.sight, &self.request.filter);
        let Some(stored) = event_rows::load(sight.tx(), sight.room().version, place.event)? else { return Ok(false) };
        if !sight.may_see(&stored, place)? {
            return Ok(false);
        }
        let pdu = stored.visible();
        if filter.allows_room(pdu.room_id())
            && filter.allows(pdu.event_type(), pdu.sender(), pdu.content())
            && !self.ignored.hides(pdu.sender(), pdu.state_key().is_some())
        {
            self.page.chunk.push(format::with_history(sight, self.viewer, &stored, place, self.now)?);
            self.senders.insert(pdu.sender().to_string());
            if self.newest.is_none_or(|newest| newest.topological <= place.topological) {
                self.newest = Some(*place);
            }
        }
        Ok(true)
    }

    /// The part of the history that the page lies in.
    fn stretch(&self) -> Result<Stretch, StoreError> {
        let moment = |position| history_rows::moment(self.sight.tx(), self.sight.room().number, position);
        let mut stretch = Stretch {
            after: TopologicalPoint::START,
            up_to: TopologicalPoint::END,
            arrived_after: Moment::START,
            arrived_up_to: Moment::END,
        };
        let (low, high) = match self.request.direction {
            Direction::Forwards => (Some(self.page.start), self.request.to),
            Direction::Backwards => (self.request.to, Some(self.page.start)),
        };
        match low {
            Some(HistoryPoint::Arrival(position)) => stretch.arrived_after = moment(position)?,
            Some(HistoryPoint::ArrivedAfter(position, point)) => {
                stretch.arrived_after = moment(position)?;
                stretch.after = point;
            }
            Some(HistoryPoint::Topological(point) | HistoryPoint::ArrivedUpTo(_, point)) => stretch.after = point,
            None => {}
        }
        match high {
            Some(HistoryPoint::Arrival(position)) => stretch.arrived_up_to = moment(position)?,
            Some(HistoryPoint::ArrivedUpTo(position, point)) => {
                stretch.arrived_up_to = moment(position)?;
                stretch.up_to = point;
            }
            Some(HistoryPoint::Topological(point) | HistoryPoint::ArrivedAfter(_, point)) => stretch.up_to = point,
            None => {}
        }
        Ok(stretch)
    }

    /// The point beyond an event, among the same events that the page is taken from.
    fn beyond(&self, place: &Place) -> HistoryPoint {
        match (self.request.direction, self.page.start) {
            (Direction::Backwards, HistoryPoint::Arrival(position) | HistoryPoint::ArrivedUpTo(position, _)) => {
                HistoryPoint::ArrivedUpTo(position, TopologicalPoint::before(place))
            }
            (Direction::Backwards, HistoryPoint::Topological(_) | HistoryPoint::ArrivedAfter(..)) => {
                HistoryPoint::Topological(TopologicalPoint::before(place))
            }
            (Direction::Forwards, HistoryPoint::Arrival(position) | HistoryPoint::ArrivedAfter(position, _)) => {
                HistoryPoint::ArrivedAfter(position, TopologicalPoint::after(place))
            }
            (Direction::Forwards, HistoryPoint::Topological(_) | HistoryPoint::ArrivedUpTo(..)) => {
                HistoryPoint::Topological(TopologicalPoint::after(place))
            }
        }
    }

    /// The memberships of the senders as they were at the newest event. C-S API, "Lazy-loading room members".
    fn add_senders(&mut self) -> Result<(), StoreError> {
        let (sight, Some(newest)) = (self.sight, self.newest) else { return Ok(()) };
        if !self.request.filter.lazy_load_members {
            return Ok(());
        }
        let Some(state) = state_after(sight, &newest)? else { return Ok(()) };
        for sender in &self.senders {
            if let Some(event) = sight.entry(state, "m.room.member", sender)?
                && let Some(stored) = event_rows::load(sight.tx(), sight.room().version, event)?
            {
                self.page.state.push(format::plain(sight, self.viewer, &stored, self.now)?);
            }
        }
        Ok(())
    }
}

/// Where history begins for who names no point. Backwards, from what has arrived by now, so that pages do not shift.
fn first_point(sight: &Sight<'_, '_>, direction: Direction) -> Result<HistoryPoint, StoreError> {
    match direction {
        Direction::Forwards => Ok(HistoryPoint::Topological(TopologicalPoint::START)),
        Direction::Backwards => {
            let end = match sight.stay()? {
                Some(Stay::Left(end)) => end.arrival,
                Some(Stay::Joined) | None => None,
            };
            let now = streams::current(sight.tx(), Stream::Events)?;
            Ok(HistoryPoint::Arrival(end.unwrap_or(now)))
        }
    }
}
