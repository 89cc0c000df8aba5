//! Why a request to the content repository fails.

use std::time::Duration;

use persistence::StoreError;

use crate::mxc::Mxc;

/// Why there is no file, or none was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MediaError {
    /// Nothing is there.
    #[error("there is no {0}")]
    NotFound(Mxc),
    /// The id is there, its content is yet to come.
    #[error("{0} has not been uploaded yet")]
    NotYetUploaded(Mxc),
    /// More bytes than we store.
    #[error("files may have {0} bytes")]
    TooLarge(u64),
    /// A file of another server has more bytes than we fetch.
    #[error("{mxc} has more than {bytes_max} bytes")]
    RemoteTooLarge {
        /// Which file.
        mxc: Mxc,
        /// What we fetch.
        bytes_max: u64,
    },
    /// There is something at that id.
    #[error("{0} has its content already")]
    CannotOverwrite(Mxc),
    /// Somebody else made the id.
    #[error("only who created {0} may upload to it")]
    NotYours(Mxc),
    /// The user has too many ids without content.
    #[error("too many ids wait for their content: upload to them first")]
    TooManyUnused {
        /// When the first of them expires.
        retry_after: Duration,
    },
    /// Too much at once, by everybody.
    #[error("the content repository is busy: wait a little")]
    Busy,
    /// The name is too long.
    #[error("the name of a file may have {0} bytes")]
    NameTooLong(usize),
    /// The content ended before it should.
    #[error("the upload broke off: {0}")]
    BrokenOff(String),
    /// The content came too slowly.
    #[error("the upload did not arrive in time")]
    TooSlow,
    /// It is no image, or none that we know.
    #[error("no thumbnail can be made of this: {0}")]
    CannotThumbnail(String),
    /// The image has more pixels, frames or bytes than we decode.
    #[error("{mxc} is too large for a thumbnail")]
    ImageTooLarge {
        /// Which file.
        mxc: Mxc,
        /// Whether it is one of our users'.
        is_ours: bool,
    },
    /// Another server refused.
    #[error("{mxc} cannot be had: {reason}")]
    RemoteRefused {
        /// Which file.
        mxc: Mxc,
        /// In the words of the other server.
        reason: String,
    },
    /// Another server failed.
    #[error("{mxc} cannot be had: {reason}")]
    RemoteFailed {
        /// Which file.
        mxc: Mxc,
        /// What went wrong.
        reason: String,
    },
    /// Our own fault. The log says more.
    #[error("the content repository failed")]
    Internal,
}

impl From<StoreError> for MediaError {
    fn from(error: StoreError) -> Self {
        tracing::error!("a request to the content repository failed: {error}");
        Self::Internal
    }
}

impl From<FileError> for MediaError {
    fn from(error: FileError) -> Self {
        tracing::error!("a request to the content repository failed: {error}");
        Self::Internal
    }
}

/// The disk did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {reason}")]
pub struct FileError {
    /// What was tried.
    pub what: &'static str,
    /// On which file or folder.
    pub path: String,
    /// In the system's words.
    pub reason: std::io::Error,
}
