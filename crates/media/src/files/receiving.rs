//! Files that are on their way in.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};

use super::{Files, blocking};
use crate::error::FileError;
use crate::limits::CHUNK_BYTES;

/// A complete file, synchronised to the disk, that has no place yet. It is deleted when this is dropped.
pub(crate) struct Received {
    pub(crate) hash: String,
    pub(crate) bytes: u64,
    pub(super) incoming: Incoming,
}

/// Why a file was not received.
pub(crate) enum ReceiveError<E> {
    /// It has more bytes than it may.
    TooLarge,
    /// Its source failed.
    Source(E),
    /// The disk failed.
    File(FileError),
}

/// A file in `incoming/` that is deleted when this is dropped.
pub(super) struct Incoming(PathBuf);

impl Incoming {
    /// Gives it its place. What is left to drop is no longer there.
    pub(super) fn rename(&self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.0, to)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("{} stays behind until the next start: {error}", self.0.display());
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// What is written to.
struct Sink {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Sink {
    fn write(mut self, data: &[u8]) -> io::Result<Self> {
        self.hash.update(data);
        self.bytes += data.len() as u64;
        self.file.write_all(data)?;
        Ok(self)
    }
}

impl Files {
    /// Writes what `source` gives, at most `bytes_max` bytes, to a file without a place. Holds one chunk in memory. If this is
    /// cancelled or fails, the file goes.
    pub(crate) async fn receive<E>(
        &self,
        mut source: impl Stream<Item = Result<Bytes, E>> + Unpin,
        bytes_max: u64,
    ) -> Result<Received, ReceiveError<E>> {
        let path = self.new_incoming();
        let incoming = Incoming(path.clone());
        let create = path.clone();
        let file = blocking("create", &path, move || File::options().write(true).create_new(true).open(create));
        let file = file.await.map_err(ReceiveError::File)?;
        let mut sink = Sink { file, hash: Sha256::new(), bytes: 0 };
        let (mut chunk, mut total) = (BytesMut::new(), 0_u64);
        while let Some(piece) = source.next().await {
            let piece = piece.map_err(ReceiveError::Source)?;
            total += piece.len() as u64;
            if total > bytes_max {
                return Err(ReceiveError::TooLarge);
            }
            chunk.extend_from_slice(&piece);
            if chunk.len() >= CHUNK_BYTES {
                let data = chunk.split();
                sink = blocking("write", &path, move || sink.write(&data)).await.map_err(ReceiveError::File)?;
            }
        }
        let finish = move || {
            let sink = sink.write(&chunk)?;
            sink.file.sync_all()?;
            Ok((hex(&sink.hash.finalize()), sink.bytes))
        };
        let (hash, bytes) = blocking("write", &path, finish).await.map_err(ReceiveError::File)?;
        Ok(Received { hash, bytes, incoming })
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
