//! Looks every day whether the database is sound: damage that nobody notices gets into the backups.

use std::sync::Arc;
use std::time::Duration;

use handles::{Clock, Handles};
use persistence::{Database, Soundness, StoreError};

/// The first look is not in the way of what a start brings.
const FIRST_AFTER: Duration = Duration::from_hours(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_hours(24);

/// Looks from now on, and says in the log what it finds.
pub(super) fn watch(database: &Database, handles: &Handles) {
    let look = look_every_day(database.clone(), Arc::clone(&handles.clock), log);
    handles.tasks.spawn("look whether the database is sound", look);
}

async fn look_every_day(database: Database, clock: Arc<dyn Clock>, tell: impl Fn(&Soundness) + Send) {
    let mut pause = FIRST_AFTER;
    loop {
        clock.sleep(pause).await;
        pause = PAUSE;
        match database.check_while_open().await {
            Ok(soundness) => tell(&soundness),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!("The database could not be looked through: {error}"),
        }
    }
}

fn log(soundness: &Soundness) {
    for finding in &soundness.findings {
        tracing::error!(
            "The database is damaged: {finding}. Stop the server, and go back to a backup that `althing check` finds sound"
        );
    }
    if !soundness.unchecked.is_empty() {
        let tables = soundness.unchecked.join(", ");
        tracing::warn!("Too large to be looked through in passing: {tables}. `althing check` does it");
    }
    if *soundness == Soundness::default() {
        tracing::info!("The database is sound");
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_database_is_looked_through_every_day() {
        let (database, handles) = (Database::open_inline(None).unwrap(), Handles::system());
        let (told, mut looks) = mpsc::unbounded_channel();
        let tell = move |soundness: &Soundness| drop(told.send(soundness.clone()));
        let began = handles.clock.monotonic();
        let look = look_every_day(database.clone(), Arc::clone(&handles.clock), tell);
        handles.tasks.spawn("look", look);
        for day in 0..3 {
            assert_eq!(looks.recv().await, Some(Soundness::default()));
            assert_eq!(handles.clock.monotonic() - began, FIRST_AFTER + day * PAUSE);
        }
    }
}
