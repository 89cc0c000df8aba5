//! Files of other servers. S2S API, "Content Repository".

use std::time::Duration;

use events::ServerName;
use transport::path::PathBuilder;
use transport::{CallLimits, MediaClient, RemoteFile};

use super::RequestError;

/// For the head of an answer, beyond the time that the server may wait for a file that is yet to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer that are not the file: two heads, boundaries.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Asks other servers for files. Cheap to clone.
#[derive(Clone)]
pub struct MediaRequests {
    client: MediaClient,
}

impl MediaRequests {
    /// Asks through `client`.
    pub fn new(client: MediaClient) -> Self {
        Self { client }
    }

    /// `GET /media/download`, to the server that the file belongs to, and to no other: opens a file of at most `bytes_max` bytes.
    /// If it is yet to come, the server may wait for it as long as `patience`.
    ///
    /// A server that does not know the endpoint is asked at the one that was there before.
    pub async fn download(
        &self,
        server: &ServerName,
        media_id: &str,
        patience: Duration,
        bytes_max: u64,
    ) -> Result<RemoteFile, RequestError> {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let limits = CallLimits {
            timeout: HEAD_TIMEOUT + patience,
            response_bytes_max: bytes_max.saturating_add(FRAME_BYTES_MAX),
        };
        let patience = patience.as_millis().to_string();
        let path = PathBuilder::new("/_matrix/federation/v1/media/download").segment(media_id);
        let path = path.query("timeout_ms", &patience).finish();
        let error = match self.client.fetch(server, path, limits).await {
            Ok(file) => return Ok(file),
            Err(error) => RequestError::from(error),
        };
        if !error.is_unrecognized() {
            return Err(error);
        }
        let path = PathBuilder::new("/_matrix/media/v3/download").segment(server).segment(media_id);
        let path = path.query("allow_remote", "false").query("timeout_ms", &patience).finish();
        Ok(self.client.fetch_openly(server, path, limits).await?)
    }
}
