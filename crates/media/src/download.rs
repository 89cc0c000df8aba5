//! Finding and opening files, ours and others'.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use persistence::transactions::media::{self, Content, RemoteId};

use crate::disposition::disposition;
use crate::error::MediaError;
use crate::files::read;
use crate::limits::{PATIENCE_DEFAULT, PATIENCE_MAX};
use crate::mxc::Mxc;
use crate::repository::Media;

/// How far to look for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only among our own users' files: what other servers may have of us.
    Ours,
    /// At the server that it belongs to, too.
    Everywhere,
}

/// A file that is open for reading. It stays readable if it is deleted meanwhile.
#[derive(Debug)]
pub struct OpenFile {
    /// What it is. Fit for a header.
    pub content_type: String,
    /// What it is called.
    pub file_name: Option<String>,
    /// Its size.
    pub bytes: u64,
    pub(crate) file: Arc<File>,
}

impl OpenFile {
    /// The value of `Content-Disposition`.
    pub fn disposition(&self) -> String {
        disposition(&self.content_type, self.file_name.as_deref())
    }

    /// The bytes in `range`, which lies within the file, piece by piece.
    pub fn content(self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        read(self.file, range)
    }
}

impl Media {
    /// Opens a file. If its content is yet to come, waits for it as long as `patience`, at most [`PATIENCE_MAX`].
    pub async fn download(&self, mxc: &Mxc, patience: Option<Duration>, reach: Reach) -> Result<OpenFile, MediaError> {
        let (content, file) = self.find(mxc, patience, reach).await?;
        let bytes = u64::try_from(content.bytes).unwrap_or(0);
        Ok(OpenFile { content_type: content.content_type, file_name: content.file_name, bytes, file: Arc::new(file) })
    }

    /// Finds a file and opens it.
    pub(crate) async fn find(
        &self,
        mxc: &Mxc,
        patience: Option<Duration>,
        reach: Reach,
    ) -> Result<(Content, File), MediaError> {
        let patience = patience.unwrap_or(PATIENCE_DEFAULT).min(PATIENCE_MAX);
        if self.is_ours(mxc) {
            let content = self.ours(mxc, patience).await?;
            let file = self.0.files.open_file(&content.hash).await?;
            return match file {
                Some(file) => Ok((content, file)),
                None => {
                    tracing::error!("the file {} of {mxc} is lost: restore it from a backup", content.hash);
                    Err(MediaError::Internal)
                }
            };
        }
        match reach {
            Reach::Ours => Err(MediaError::NotFound(mxc.clone())),
            Reach::Everywhere => self.theirs(mxc, patience).await,
        }
    }

    async fn ours(&self, mxc: &Mxc, patience: Duration) -> Result<Content, MediaError> {
        let clock = &self.0.handles.clock;
        let deadline = clock.monotonic() + patience;
        loop {
            let waiter = self.0.arrivals.wait(mxc.media_id());
            let media_id = mxc.media_id().to_owned();
            let known = self.0.database.read(move |tx| media::local(tx, &media_id)).await?;
            let known = known.ok_or_else(|| MediaError::NotFound(mxc.clone()))?;
            if let Some(content) = known.content {
                return Ok(content);
            }
            if known.expires_at.is_some_and(|expires_at| expires_at <= self.now()) {
                return Err(MediaError::NotFound(mxc.clone()));
            }
            tokio::select! {
                biased;
                () = waiter.woken() => {}
                () = clock.sleep(deadline.saturating_sub(clock.monotonic())) => {
                    return Err(MediaError::NotYetUploaded(mxc.clone()));
                }
            }
        }
    }

    async fn theirs(&self, mxc: &Mxc, patience: Duration) -> Result<(Content, File), MediaError> {
        let id = RemoteId { origin: mxc.server().clone(), media_id: mxc.media_id().to_owned() };
        if let Some(content) = self.cached(&id).await? {
            if let Some(file) = self.0.files.open_file(&content.hash).await? {
                return Ok((content, file));
            }
            // Dropped a moment ago, or lost: either way it can be had again.
            self.forget(vec![id]).await?;
        }
        let content = self.fetch(mxc, patience).await?;
        match self.0.files.open_file(&content.hash).await? {
            Some(file) => Ok((content, file)),
            None => {
                let reason = "the cache is too small for it".to_owned();
                Err(MediaError::RemoteFailed { mxc: mxc.clone(), reason })
            }
        }
    }
}
