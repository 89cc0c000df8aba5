//! Files of other servers: fetched once, however many wait. S2S API, "Content Repository".

use std::sync::atomic::Ordering;
use std::time::Duration;

use persistence::transactions::media::{self, Content, RemoteId};
use transaction::RequestError;
use transport::{CallError, ExchangeError, RemoteFile};

use crate::disposition::file_name;
use crate::error::MediaError;
use crate::files::ReceiveError;
use crate::limits::USE_PRECISION;
use crate::mxc::Mxc;
use crate::repository::Media;
use crate::upload::{content_of, millis};

impl Media {
    /// Returns the copy that we have, and takes note that it is used.
    pub(crate) async fn cached(&self, id: &RemoteId) -> Result<Option<Content>, MediaError> {
        let wanted = id.clone();
        let found = self.0.database.read(move |tx| media::remote(tx, &wanted)).await?;
        let Some((content, last_used_at)) = found else { return Ok(None) };
        let (now, used) = (self.now(), id.clone());
        if last_used_at + millis(USE_PRECISION) <= now {
            self.0.database.write(move |tx| media::touch(tx, &used, now)).await?;
        }
        Ok(Some(content))
    }

    /// Fetches a file from the server that it belongs to.
    pub(crate) async fn fetch(&self, mxc: &Mxc, patience: Duration) -> Result<Content, MediaError> {
        let (media, wanted) = (self.clone(), mxc.clone());
        let flight =
            self.0.fetches.join(mxc.clone(), || Box::pin(async move { media.fetch_now(wanted, patience).await }));
        flight.await
    }

    async fn fetch_now(&self, mxc: Mxc, patience: Duration) -> Result<Content, MediaError> {
        // The semaphore is never closed.
        let _turn = self.0.fetching.acquire().await;
        let id = RemoteId { origin: mxc.server().clone(), media_id: mxc.media_id().to_owned() };
        // Whoever looked before the last flight landed would fetch it again.
        if let Some(content) = self.cached(&id).await? {
            return Ok(content);
        }
        let bytes_max = self.0.config.upload_bytes_max;
        let opened = self.0.requests.download(mxc.server(), mxc.media_id(), patience, bytes_max).await;
        let RemoteFile { content_type, disposition, content } =
            opened.map_err(|error| refused(&mxc, bytes_max, error))?;
        let received = match self.0.files.receive(content, bytes_max).await {
            Ok(received) => received,
            Err(ReceiveError::TooLarge) => return Err(MediaError::RemoteTooLarge { mxc, bytes_max }),
            Err(ReceiveError::Source(error)) => return Err(refused(&mxc, bytes_max, error.into())),
            Err(ReceiveError::File(error)) => return Err(error.into()),
        };
        let content = content_of(&received, content_type, disposition.as_deref().and_then(file_name));
        let (stored, now) = (content.clone(), self.now());
        let commit = self.0.database.write(move |tx| media::put_remote(tx, &id, now, &stored));
        self.0.files.place(received, async { Ok(commit.await?) }).await?;
        let cached = self.0.cached_bytes.fetch_add(content.bytes, Ordering::Relaxed) + content.bytes;
        if cached > i64::try_from(self.0.config.cache_bytes_max).unwrap_or(i64::MAX) {
            self.make_room();
        }
        Ok(content)
    }
}

/// What another server's refusal means to whoever wants the file.
fn refused(mxc: &Mxc, bytes_max: u64, error: RequestError) -> MediaError {
    let mxc = mxc.clone();
    match error {
        RequestError::Refused { errcode, .. } if errcode == "M_NOT_YET_UPLOADED" => MediaError::NotYetUploaded(mxc),
        RequestError::Refused { errcode, .. } if errcode == "M_TOO_LARGE" => {
            MediaError::RemoteTooLarge { mxc, bytes_max }
        }
        RequestError::Refused { status: 404, .. } => MediaError::NotFound(mxc),
        RequestError::Refused { .. } => MediaError::RemoteRefused { reason: error.to_string(), mxc },
        RequestError::Failed(CallError::Exchange(ExchangeError::TooLarge(_))) => {
            MediaError::RemoteTooLarge { mxc, bytes_max }
        }
        RequestError::Failed(_) | RequestError::Malformed { .. } => {
            MediaError::RemoteFailed { reason: error.to_string(), mxc }
        }
    }
}
