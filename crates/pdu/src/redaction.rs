//! Redactions: an effect of its own, which waits for its target and is applied when the target is served. Room version
//! specifications, "Handling redactions".

use events::auth::AuthEvent;
use events::power::Levels;
use events::{Pdu, RoomVersion};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StoreError, WriteTx};

/// Redactions that concern an event which was just stored: its own effect if it is an accepted one, and those that came before
/// it, whatever its own outcome, since other servers may ask for it all the same.
pub(crate) fn apply_redactions(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    number: EventNumber,
    pdu: &Pdu,
    outcome: Outcome,
) -> Result<(), StoreError> {
    apply_own_redaction(tx, room, number, pdu, outcome)?;
    for redaction in event_rows::redactions_of(tx, number)? {
        apply_redaction(tx, pdu.version(), redaction, number)?;
    }
    Ok(())
}

/// The effect of an event that was just stored, if it is an accepted redaction.
pub(crate) fn apply_own_redaction(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    number: EventNumber,
    pdu: &Pdu,
    outcome: Outcome,
) -> Result<(), StoreError> {
    if outcome == Outcome::Accepted
        && let Some(target) = pdu.redacts()
    {
        let target = event_rows::intern(tx, room, &target)?;
        event_rows::store_redaction(tx, room, number, target)?;
        apply_redaction(tx, pdu.version(), number, target)?;
    }
    Ok(())
}

/// Takes back what a redaction did that is accepted no more. Another one of the same target may act in its place.
pub(crate) fn withdraw_redaction(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    number: EventNumber,
    pdu: &Pdu,
) -> Result<(), StoreError> {
    let Some(target) = pdu.redacts() else { return Ok(()) };
    let Some(target) = event_rows::number(tx, room, &target)? else { return Ok(()) };
    event_rows::unset_redacted(tx, target, number)?;
    for redaction in event_rows::redactions_of(tx, target)? {
        apply_redaction(tx, pdu.version(), redaction, target)?;
    }
    Ok(())
}

/// Applies a redaction to its target, if both are there and the room version's rules allow it. Room version
/// specifications, "Handling redactions".
fn apply_redaction(
    tx: &mut WriteTx<'_>,
    version: RoomVersion,
    redaction: EventNumber,
    target: EventNumber,
) -> Result<(), StoreError> {
    let Some(place) = graph_rows::place(tx, redaction)?.filter(|place| place.outcome == Outcome::Accepted) else {
        return Ok(());
    };
    let (Some(by), Some(of)) = (event_rows::load(tx, version, redaction)?, event_rows::load(tx, version, target)?)
    else {
        return Ok(());
    };
    if by.pdu.room_id() != of.pdu.room_id() || !may_redact(tx, version, &place, &by.pdu, &of.pdu)? {
        return Ok(());
    }
    event_rows::set_redacted(tx, target, redaction)?;
    Ok(())
}

fn may_redact(tx: &ReadTx<'_>, version: RoomVersion, place: &Place, by: &Pdu, of: &Pdu) -> Result<bool, StoreError> {
    if version.rules().auth.redaction_rule {
        // Versions 1 and 2 have decided that when they let the redaction in.
        return Ok(true);
    }
    let Some(snapshot) = place.state_before else { return Ok(by.sender().server() == of.sender().server()) };
    let create = state_event(tx, version, snapshot, "m.room.create")?;
    let levels = state_event(tx, version, snapshot, "m.room.power_levels")?;
    Ok(create.is_some_and(|create| Levels::new(&create, levels.as_ref()).may_redact(by.sender(), of.sender())))
}

fn state_event(
    tx: &ReadTx<'_>,
    version: RoomVersion,
    snapshot: SnapshotNumber,
    event_type: &str,
) -> Result<Option<AuthEvent>, StoreError> {
    let Some(key) = state_rows::key_number(tx, event_type, "")? else { return Ok(None) };
    let Some(event) = state_rows::entry(tx, snapshot, key)? else { return Ok(None) };
    Ok(event_rows::load(tx, version, event)?.map(|stored| AuthEvent::new(&stored.pdu)))
}
