//! Whose devices to look at anew. C-S API, "Extensions to /sync" of end-to-end encryption.

use std::collections::BTreeSet;

use events::UserId;
use persistence::transactions::news::{self, StateChange};
use persistence::transactions::rooms::{self as room_rows, Standing};
use persistence::transactions::{companions, devices, events as event_rows, members as member_rows};
use persistence::{EventNumber, Position, ReadTx, RoomNumber, StoreError};

use crate::reading::state::before_change;

/// The users whose devices a client looks at anew, or need not look at any longer.
#[derive(Debug, Clone, Default)]
pub struct DeviceLists {
    /// Their devices changed, or they have come to share an encrypted room with the user.
    pub changed: BTreeSet<UserId>,
    /// They share no encrypted room with the user any longer.
    pub left: BTreeSet<UserId>,
}

/// Computes the device lists since a position of the events stream and one of the device lists' own stream.
pub fn device_lists(
    tx: &ReadTx<'_>,
    user: &UserId,
    events: Position,
    lists: Position,
) -> Result<DeviceLists, StoreError> {
    let mut found = DeviceLists::default();
    for other in devices::changed_since(tx, lists)? {
        if other == *user || companions::share_room(tx, user, &other)? {
            found.changed.insert(other);
        }
    }
    // Receipts are no news here.
    for standing in news::rooms_with_news(tx, user, events, Position(i64::MAX))? {
        let walk = Walk { tx, user, events, room: standing.room };
        if !walk.is_encrypted()? {
            continue;
        }
        match standing.membership.as_str() {
            "join" => walk.in_joined(&mut found)?,
            "leave" | "ban" => walk.in_left(&standing, &mut found)?,
            _ => {}
        }
    }
    found.changed.remove(user);
    let own = devices::last_change(tx, user)? > lists;
    if own {
        found.changed.insert(user.clone());
    }
    Ok(found)
}

/// One encrypted room.
struct Walk<'a, 'c> {
    tx: &'a ReadTx<'c>,
    user: &'a UserId,
    events: Position,
    room: RoomNumber,
}

impl Walk<'_, '_> {
    fn is_encrypted(&self) -> Result<bool, StoreError> {
        Ok(room_rows::current(self.tx, self.room, "m.room.encryption", "")?.is_some())
    }

    /// A room that the user is in: who came and who went. If the room or the user is new to encryption, all are.
    fn in_joined(&self, found: &mut DeviceLists) -> Result<(), StoreError> {
        let changes = news::state_changes(self.tx, self.room, self.events, Position(i64::MAX))?;
        let is_new = |change: &StateChange| change.event_type == "m.room.encryption";
        if changes.iter().any(is_new) || self.came(&changes)? {
            found.changed.extend(room_rows::members(self.tx, self.room, "join")?.into_iter().map(|(member, _)| member));
            return Ok(());
        }
        for change in changes.iter().filter(|change| change.event_type == "m.room.member") {
            let Ok(member) = UserId::parse(&change.state_key) else { continue };
            let (was, is) = (self.is_join(before_change(self.tx, change)?)?, self.is_join(change.event)?);
            if is && !was {
                found.left.remove(&member);
                found.changed.insert(member);
            } else if was && !is && !member_rows::share_encrypted_room(self.tx, self.user, &member)? {
                found.changed.remove(&member);
                found.left.insert(member);
            }
        }
        Ok(())
    }

    /// A room that the user has left: who was there with them, and is nowhere else.
    fn in_left(&self, standing: &Standing, found: &mut DeviceLists) -> Result<(), StoreError> {
        let changes = news::state_changes(self.tx, self.room, self.events, standing.position)?;
        let mut was_in = false;
        for change in changes.iter().filter(|change| change.state_key == self.user.as_str()) {
            was_in |= self.is_join(before_change(self.tx, change)?)?;
        }
        if !was_in {
            return Ok(());
        }
        for (member, _) in room_rows::members(self.tx, self.room, "join")? {
            if !member_rows::share_encrypted_room(self.tx, self.user, &member)? {
                found.changed.remove(&member);
                found.left.insert(member);
            }
        }
        Ok(())
    }

    /// Says whether the user has come into the room.
    fn came(&self, changes: &[StateChange]) -> Result<bool, StoreError> {
        for change in changes.iter().filter(|change| change.state_key == self.user.as_str()) {
            if self.is_join(change.event)? && !self.is_join(before_change(self.tx, change)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_join(&self, event: Option<EventNumber>) -> Result<bool, StoreError> {
        match event {
            Some(event) => Ok(event_rows::membership(self.tx, event)?.as_deref() == Some("join")),
            None => Ok(false),
        }
    }
}
