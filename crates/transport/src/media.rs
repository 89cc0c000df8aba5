//! Files of other servers. S2S API, "Content Repository".

use std::sync::Arc;

use bytes::Bytes;
use events::ServerName;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::client::{CallError, CallLimits, Client};
use crate::download::{Download, Downloads, Pieces};
use crate::multipart::{Found, Head, Parser, boundary};

/// A file that is yet to be read.
pub struct RemoteFile {
    /// `Content-Type`, as the server gave it.
    pub content_type: Option<String>,
    /// `Content-Disposition`, as the server gave it.
    pub disposition: Option<String>,
    /// The content. Ends with an error if it breaks off, stalls or is too large.
    pub content: BoxStream<'static, Result<Bytes, CallError>>,
}

/// Downloads files from other servers. Cheap to clone.
#[derive(Clone)]
pub struct MediaClient {
    client: Client,
    downloads: Arc<dyn Downloads>,
}

impl MediaClient {
    /// Asks through `downloads`, signing as `client` does.
    pub fn new(client: Client, downloads: Arc<dyn Downloads>) -> Self {
        Self { client, downloads }
    }

    /// In whose name this client asks.
    pub fn server_name(&self) -> &ServerName {
        self.client.server_name()
    }

    /// Asks with a signed request, as the federation endpoints want it, and reads `multipart/mixed`. A `Location` in the second
    /// part is followed under the rules for addresses.
    pub async fn fetch(
        &self,
        server: &ServerName,
        path_and_query: String,
        limits: CallLimits,
    ) -> Result<RemoteFile, CallError> {
        let download = self.client.download(&*self.downloads, server, path_and_query, limits).await?;
        let mut parts = Parts::of(server, download)?;
        let head = parts.head().await?;
        let Some(location) = head.location else {
            let (content_type, disposition) = (head.content_type, head.disposition);
            return Ok(RemoteFile { content_type, disposition, content: parts.content() });
        };
        let download = self.downloads.open_url(server, &location, limits).await?;
        if download.status != 200 {
            let reason = format!("it named {location}, which answered with status {}", download.status);
            return Err(CallError::Garbage { server: server.clone(), reason });
        }
        Ok(plain(download))
    }

    /// Asks as anybody may, and takes the answer as it is: the endpoints of servers that do not know the newer ones.
    pub async fn fetch_openly(
        &self,
        server: &ServerName,
        path_and_query: String,
        limits: CallLimits,
    ) -> Result<RemoteFile, CallError> {
        Ok(plain(self.client.download_openly(&*self.downloads, server, path_and_query, limits).await?))
    }
}

fn plain(download: Download) -> RemoteFile {
    let header = |name| download.header(name).map(ToOwned::to_owned);
    let (content_type, disposition) = (header(CONTENT_TYPE), header(CONTENT_DISPOSITION));
    RemoteFile { content_type, disposition, content: download.body.map_err(CallError::from).boxed() }
}

/// An answer that is being taken apart.
struct Parts {
    server: ServerName,
    body: Pieces,
    parser: Parser,
}

impl Parts {
    fn of(server: &ServerName, download: Download) -> Result<Self, CallError> {
        let content_type = download.header(CONTENT_TYPE).unwrap_or_default();
        let boundary = boundary(content_type).ok_or_else(|| CallError::Garbage {
            server: server.clone(),
            reason: format!("a file as {content_type:?} instead of multipart/mixed with a boundary"),
        })?;
        Ok(Self { server: server.clone(), body: download.body, parser: Parser::new(&boundary) })
    }

    async fn next(&mut self) -> Result<Found, CallError> {
        let garbage = |reason: String| CallError::Garbage { server: self.server.clone(), reason };
        loop {
            if let Some(found) = self.parser.pull().map_err(|error| garbage(error.to_string()))? {
                return Ok(found);
            }
            match self.body.next().await {
                Some(piece) => self.parser.push(&piece?),
                None => return Err(garbage("the parts of a file do not end".to_owned())),
            }
        }
    }

    async fn head(&mut self) -> Result<Head, CallError> {
        match self.next().await? {
            Found::Head(head) => Ok(head),
            // The parser gives the head first; without one it fails.
            Found::Content(_) | Found::End => {
                Err(CallError::Garbage { server: self.server.clone(), reason: "a file without headers".to_owned() })
            }
        }
    }

    fn content(self) -> BoxStream<'static, Result<Bytes, CallError>> {
        let pieces = stream::try_unfold(self, async |mut parts| match parts.next().await? {
            Found::Content(piece) => Ok(Some((piece, parts))),
            Found::Head(_) | Found::End => Ok(None),
        });
        pieces.boxed()
    }
}
