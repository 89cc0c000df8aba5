//! Files of our users. C-S API, "Content repository".

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use events::UserId;
use futures_util::{Stream, StreamExt, stream};
use handles::Timestamp;
use persistence::StoreError;
use persistence::transactions::media::{self, Content, Local};

use crate::error::MediaError;
use crate::files::{ReceiveError, Received};
use crate::limits::*;
use crate::mxc::Mxc;
use crate::repository::Media;

/// What is said about a file when no type is given. RFC 2046, section 4.5.1.
pub(crate) const UNKNOWN_TYPE: &str = "application/octet-stream";

/// What an uploader says about a file.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// How it is called. At most [`FILE_NAME_BYTES_MAX`].
    pub file_name: Option<String>,
    /// `Content-Length`
    pub bytes: Option<u64>,
}

/// An id whose content is yet to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// The id.
    pub mxc: Mxc,
    /// When it is forgotten if nothing is uploaded.
    pub expires_at: Timestamp,
}

impl Media {
    /// Stores a file and returns its new id. `content` is read piece by piece.
    pub async fn upload<E: Display>(
        &self,
        user: &UserId,
        description: Description,
        content: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    ) -> Result<Mxc, MediaError> {
        let (received, content) = self.receive(description, content).await?;
        let (mxc, now, user) = (self.new_mxc(), self.now(), user.clone());
        let media_id = mxc.media_id().to_owned();
        let commit = self.0.database.write(move |tx| media::put_local(tx, &media_id, &user, now, &content));
        self.0.files.place(received, async { Ok(commit.await?) }).await?;
        Ok(mxc)
    }

    /// Makes an id whose content will come later.
    pub async fn create(&self, user: &UserId) -> Result<Unused, MediaError> {
        let (mxc, now, user) = (self.new_mxc(), self.now(), user.clone());
        let expires_at = now + millis(UNUSED_LIFETIME);
        let media_id = mxc.media_id().to_owned();
        let created = self.0.database.write(move |tx| {
            let (unused, first_expires_at) = media::pending_of(tx, &user, now)?;
            if unused >= UNUSED_PER_USER_MAX {
                return Ok(Err(first_expires_at.unwrap_or(now)));
            }
            media::put_pending(tx, &media_id, &user, now, expires_at)?;
            Ok::<_, StoreError>(Ok(()))
        });
        match created.await? {
            Ok(()) => Ok(Unused { mxc, expires_at }),
            Err(first_expires_at) => {
                let millis = u64::try_from(first_expires_at.saturating_sub(now)).unwrap_or(0);
                Err(MediaError::TooManyUnused { retry_after: Duration::from_millis(millis) })
            }
        }
    }

    /// Stores the content of an id that waits for it.
    pub async fn upload_to<E: Display>(
        &self,
        user: &UserId,
        mxc: &Mxc,
        description: Description,
        content: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    ) -> Result<(), MediaError> {
        // Before anything is read, so that what will be refused is not sent.
        self.must_wait_for(user, mxc).await?;
        let (received, content) = self.receive(description, content).await?;
        let media_id = mxc.media_id().to_owned();
        let (arrivals, woken) = (self.0.arrivals.clone(), media_id.clone());
        let commit = self.0.database.write(move |tx| {
            let completed = media::complete(tx, &media_id, &content)?;
            tx.after_commit(move || arrivals.wake(woken));
            Ok::<_, StoreError>(completed)
        });
        let completed = self.0.files.place(received, async { Ok(commit.await?) }).await?;
        if !completed {
            // Somebody was faster, or it expired meanwhile. The file is found at the next start, if nothing else leads to it.
            self.must_wait_for(user, mxc).await?;
            return Err(MediaError::CannotOverwrite(mxc.clone()));
        }
        Ok(())
    }

    async fn must_wait_for(&self, user: &UserId, mxc: &Mxc) -> Result<(), MediaError> {
        let not_found = || MediaError::NotFound(mxc.clone());
        if !self.is_ours(mxc) {
            return Err(not_found());
        }
        let media_id = mxc.media_id().to_owned();
        let known = self.0.database.read(move |tx| media::local(tx, &media_id)).await?;
        let Local { uploader, expires_at, content } = known.ok_or_else(not_found)?;
        if content.is_some() {
            return Err(MediaError::CannotOverwrite(mxc.clone()));
        }
        if uploader != *user {
            return Err(MediaError::NotYours(mxc.clone()));
        }
        if expires_at.is_some_and(|expires_at| expires_at <= self.now()) {
            return Err(not_found());
        }
        Ok(())
    }

    fn new_mxc(&self) -> Mxc {
        let media_id = self.0.handles.random.token(MEDIA_ID_LENGTH);
        Mxc::new(self.0.config.server_name.as_str(), &media_id).expect("letters and digits are an id")
    }

    async fn receive<E: Display>(
        &self,
        description: Description,
        content: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    ) -> Result<(Received, Content), MediaError> {
        let Description { content_type, file_name, bytes: announced } = description;
        let bytes_max = self.upload_bytes_max();
        if announced.is_some_and(|announced| announced > bytes_max) {
            return Err(MediaError::TooLarge(bytes_max));
        }
        let file_name = file_name.filter(|name| !name.is_empty());
        if file_name.as_ref().is_some_and(|name| name.len() > FILE_NAME_BYTES_MAX) {
            return Err(MediaError::NameTooLong(FILE_NAME_BYTES_MAX));
        }
        let _uploading = self.0.uploading.try_acquire().map_err(|_| MediaError::Busy)?;
        let received = match self.0.files.receive(Box::pin(self.paced(content)), bytes_max).await {
            Ok(received) => received,
            Err(ReceiveError::TooLarge) => return Err(MediaError::TooLarge(bytes_max)),
            Err(ReceiveError::Source(error)) => return Err(error),
            Err(ReceiveError::File(error)) => return Err(error.into()),
        };
        if let Some(announced) = announced.filter(|announced| *announced != received.bytes) {
            return Err(MediaError::BrokenOff(format!("{} bytes of {announced} came", received.bytes)));
        }
        let content = content_of(&received, content_type, file_name);
        Ok((received, content))
    }

    /// Gives up when too little comes for too long.
    fn paced<E: Display>(
        &self,
        content: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    ) -> impl Stream<Item = Result<Bytes, MediaError>> + Send {
        let clock = self.0.handles.clock.clone();
        let deadline = clock.monotonic() + UPLOAD_TIMEOUT;
        stream::try_unfold((content, 0_u64), move |(mut content, read)| {
            let clock = clock.clone();
            async move {
                let earned = Duration::from_millis(read * 1000 / UPLOAD_BYTES_PER_SECOND);
                let patience = (deadline + earned).saturating_sub(clock.monotonic()).min(PIECE_TIMEOUT);
                let piece = tokio::select! {
                    biased;
                    piece = content.next() => piece,
                    () = clock.sleep(patience) => return Err(MediaError::TooSlow),
                };
                let Some(piece) = piece else { return Ok(None) };
                let piece = piece.map_err(|error| MediaError::BrokenOff(error.to_string()))?;
                let read = read + piece.len() as u64;
                Ok(Some((piece, (content, read))))
            }
        })
    }
}

/// Describes a file that was received. A type that is none is not passed on.
pub(crate) fn content_of(received: &Received, content_type: Option<String>, file_name: Option<String>) -> Content {
    let is_type = |text: &String| {
        text.contains('/')
            && text.len() <= CONTENT_TYPE_BYTES_MAX
            && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    Content {
        hash: received.hash.clone(),
        bytes: i64::try_from(received.bytes).unwrap_or(i64::MAX),
        content_type: content_type.filter(is_type).unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
        file_name,
    }
}

pub(crate) fn millis(duration: Duration) -> Timestamp {
    Timestamp::try_from(duration.as_millis()).unwrap_or(Timestamp::MAX)
}
