//! What other servers get: our users' files, and nothing else. S2S API, "Content Repository".

use std::time::Duration;

use events::ServerName;
use transport::error::ApiError;
use transport::exchange::BoxFuture;
use transport::questions::{FileAnswer, MediaQuestions, ThumbnailQuestion};

use crate::download::{OpenFile, Reach};
use crate::error::MediaError;
use crate::mxc::Mxc;
use crate::repository::Media;

/// What a peer should wait when we are busy.
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl MediaQuestions for Media {
    fn download<'a>(
        &'a self,
        _origin: &'a ServerName,
        media_id: &'a str,
        patience: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>> {
        Box::pin(async move {
            let mxc = self.own_mxc(media_id)?;
            let opened = Media::download(self, &mxc, patience, Reach::Ours).await;
            opened.map(answer).map_err(refusal)
        })
    }

    fn thumbnail<'a>(
        &'a self,
        _origin: &'a ServerName,
        media_id: &'a str,
        question: ThumbnailQuestion,
        patience: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>> {
        Box::pin(async move {
            let mxc = self.own_mxc(media_id)?;
            let opened = Media::thumbnail(self, &mxc, question, patience, Reach::Ours).await;
            opened.map(answer).map_err(refusal)
        })
    }
}

impl Media {
    fn own_mxc(&self, media_id: &str) -> Result<Mxc, ApiError> {
        let mxc = Mxc::new(self.0.config.server_name.as_str(), media_id);
        mxc.map_err(|error| ApiError::invalid_param(error.to_string()))
    }
}

fn answer(file: OpenFile) -> FileAnswer {
    let (content_type, disposition, bytes) = (file.content_type.clone(), file.disposition(), file.bytes);
    FileAnswer { content_type, disposition, bytes, content: file.content(0..bytes) }
}

fn refusal(error: MediaError) -> ApiError {
    let message = error.to_string();
    match error {
        MediaError::NotFound(_) => ApiError::not_found(message),
        MediaError::NotYetUploaded(_) => ApiError::new(504, "M_NOT_YET_UPLOADED", message),
        MediaError::CannotThumbnail(_) => ApiError::new(400, "M_UNKNOWN", message),
        MediaError::ImageTooLarge { .. } => ApiError::new(413, "M_TOO_LARGE", message),
        MediaError::Busy => {
            let millis = u64::try_from(RETRY_AFTER.as_millis()).unwrap_or(u64::MAX);
            ApiError::new(429, "M_LIMIT_EXCEEDED", message).with("retry_after_ms", millis)
        }
        // What only uploads and files of other servers meet.
        MediaError::TooLarge(_)
        | MediaError::RemoteTooLarge { .. }
        | MediaError::CannotOverwrite(_)
        | MediaError::NotYours(_)
        | MediaError::TooManyUnused { .. }
        | MediaError::NameTooLong(_)
        | MediaError::BrokenOff(_)
        | MediaError::TooSlow
        | MediaError::RemoteRefused { .. }
        | MediaError::RemoteFailed { .. }
        | MediaError::Internal => ApiError::internal(),
    }
}
