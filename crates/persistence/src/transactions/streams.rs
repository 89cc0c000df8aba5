//! The positions of the streams that /sync and the outbound queues follow.

use crate::numbers::Position;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// A stream: what is put in it gets the next position, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Events in the order of their arrival.
    Events,
    /// Account data, tags and push rules.
    AccountData,
    /// Receipts.
    Receipts,
    /// Who types.
    Typing,
    /// Messages to devices.
    ToDevice,
    /// Changes of users' devices and keys.
    DeviceLists,
    /// Who is there.
    Presence,
}

impl Stream {
    /// All of them, in the order of a sync token.
    pub const ALL: [Self; 7] = [
        Self::Events,
        Self::AccountData,
        Self::Receipts,
        Self::Typing,
        Self::ToDevice,
        Self::DeviceLists,
        Self::Presence,
    ];

    /// Its name in the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::AccountData => "account_data",
            Self::Receipts => "receipts",
            Self::Typing => "typing",
            Self::ToDevice => "to_device",
            Self::DeviceLists => "device_lists",
            Self::Presence => "presence",
        }
    }
}

/// Takes the next position of `stream`. It becomes visible with the commit, together with what was put there: there is one
/// writer, so a reader never sees a position before a lower one.
pub fn next(tx: &mut WriteTx<'_>, stream: Stream) -> Result<Position, StoreError> {
    tx.query_one(
        "INSERT INTO streams (stream, position)
         VALUES (?1, 1)
         ON CONFLICT (stream) DO UPDATE SET position = streams.position + 1
         RETURNING position",
        &[&stream.name()],
        |row| row.get(0),
    )
}

/// Makes `count` positions in `stream`, and returns the first. They follow each other.
pub fn next_of(tx: &mut WriteTx<'_>, stream: Stream, count: usize) -> Result<Position, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    tx.query_one(
        "INSERT INTO streams (stream, position)
         VALUES (?1, ?2)
         ON CONFLICT (stream) DO UPDATE SET position = streams.position + ?2
         RETURNING position - ?2 + 1",
        &[&stream.name(), &count],
        |row| row.get(0),
    )
}

/// Returns the position of the latest thing in `stream`, 0 if there is none.
pub fn current(tx: &ReadTx<'_>, stream: Stream) -> Result<Position, StoreError> {
    let position =
        tx.query_optional("SELECT position FROM streams WHERE stream = ?1", &[&stream.name()], |row| row.get(0))?;
    Ok(position.unwrap_or_default())
}

/// Returns the positions of all streams, in the order of [`Stream::ALL`].
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<Position>, StoreError> {
    let mut positions = vec![Position::default(); Stream::ALL.len()];
    tx.query_each("SELECT stream, position FROM streams", &[], |row| {
        let name: String = row.get(0)?;
        if let Some(at) = Stream::ALL.iter().position(|stream| stream.name() == name) {
            positions[at] = row.get(1)?;
        }
        Ok(())
    })?;
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    #[tokio::test]
    async fn positions_count_up_per_stream_and_only_with_the_commit() {
        let database = Database::open_inline(None).unwrap();
        let taken = database
            .write(|tx| -> Result<_, StoreError> {
                Ok((next(tx, Stream::Events)?, next(tx, Stream::Events)?, next(tx, Stream::ToDevice)?))
            })
            .await
            .unwrap();
        assert_eq!(taken, (Position(1), Position(2), Position(1)));

        let many =
            database.write(|tx| Ok::<_, StoreError>((next_of(tx, Stream::Receipts, 3)?, next(tx, Stream::Receipts)?)));
        assert_eq!(many.await.unwrap(), (Position(1), Position(4)));

        let failed: Result<(), StoreError> = database
            .write(|tx| {
                next(tx, Stream::Events)?;
                Err(StoreError::Closed)
            })
            .await;
        assert!(failed.is_err());
        let all = database
            .read(|tx| Stream::ALL.iter().map(|stream| current(tx, *stream)).collect::<Result<Vec<_>, StoreError>>())
            .await
            .unwrap();
        assert_eq!(all.iter().map(|position| position.0).collect::<Vec<_>>(), [2, 0, 4, 0, 1, 0, 0]);
        assert_eq!(database.read(super::all).await.unwrap(), all);
    }
}
