//! The content repository of one server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use events::ServerName;
use handles::{Handles, Notifier, Timestamp};
use persistence::Database;
use persistence::transactions::media::Content;
use tokio::sync::Semaphore;
use transaction::MediaRequests;

use crate::error::{FileError, MediaError};
use crate::files::Files;
use crate::flights::Flights;
use crate::limits::{DECODINGS_MAX, FETCHES_MAX, THUMBNAILS_WAITING_MAX, UPLOADS_MAX};
use crate::mxc::Mxc;
use crate::thumbnail::{Key, Made};

/// What an operator decides about files.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Our name.
    pub server_name: ServerName,
    /// The folder of all files, for this process alone.
    pub folder: PathBuf,
    /// The largest file that users may upload, and that is fetched from other servers.
    pub upload_bytes_max: u64,
    /// How large the copies of remote files may become together.
    pub cache_bytes_max: u64,
}

/// The content repository. Cheap to clone.
#[derive(Clone)]
pub struct Media(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: MediaConfig,
    pub(crate) database: Database,
    pub(crate) handles: Handles,
    pub(crate) requests: MediaRequests,
    pub(crate) files: Files,
    /// Woken with the id whose content has come.
    pub(crate) arrivals: Notifier,
    pub(crate) fetches: Flights<Mxc, Result<Content, MediaError>>,
    pub(crate) thumbnails: Flights<Key, Result<Made, MediaError>>,
    pub(crate) uploading: Semaphore,
    pub(crate) fetching: Semaphore,
    pub(crate) waiting_for_thumbnails: Semaphore,
    pub(crate) decoding: Arc<Semaphore>,
    /// At least how large the cache is; looked at again when it seems too large.
    pub(crate) cached_bytes: AtomicI64,
}

impl Media {
    /// Opens the folder. Nothing is looked through before [`Media::start`].
    pub fn open(
        config: MediaConfig,
        database: Database,
        handles: Handles,
        requests: MediaRequests,
    ) -> Result<Self, FileError> {
        let files = Files::open(&config.folder)?;
        Ok(Self(Arc::new(Inner {
            config,
            database,
            handles,
            requests,
            files,
            arrivals: Notifier::default(),
            fetches: Flights::default(),
            thumbnails: Flights::default(),
            uploading: Semaphore::new(UPLOADS_MAX),
            fetching: Semaphore::new(FETCHES_MAX),
            waiting_for_thumbnails: Semaphore::new(THUMBNAILS_WAITING_MAX),
            decoding: Arc::new(Semaphore::new(DECODINGS_MAX)),
            cached_bytes: AtomicI64::new(0),
        })))
    }

    /// The largest file that may be uploaded, in bytes.
    pub fn upload_bytes_max(&self) -> u64 {
        self.0.config.upload_bytes_max
    }

    pub(crate) fn is_ours(&self, mxc: &Mxc) -> bool {
        *mxc.server() == self.0.config.server_name
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.handles.clock.now()
    }
}
