//! Files that are on their way out.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::limits::CHUNK_BYTES;

/// Returns the bytes of `file` in `range`. One chunk is in memory at a time.
pub(crate) fn read(file: Arc<File>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
    let chunks = stream::try_unfold(range, move |range| {
        let file = Arc::clone(&file);
        async move {
            let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            if length == 0 {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; length];
                file.read_exact_at(&mut chunk, range.start)?;
                Ok::<_, io::Error>(Bytes::from(chunk))
            });
            let chunk = read.await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
            Ok(Some((chunk, range.start + length as u64..range.end)))
        }
    });
    chunks.boxed()
}
