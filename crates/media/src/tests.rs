//! The folder, the cache, and images of all kinds.

mod folder;
mod images;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use events::{KeyId, ServerName, SigningKey, UserId};
use futures_util::{TryStreamExt, stream};
use handles::Handles;
use persistence::Database;
use tempfile::TempDir;
use transaction::MediaRequests;
use transport::exchange::BoxFuture;
use transport::{
    CallLimits, Client, Download, Downloads, Exchange, ExchangeError, Health, MediaClient, Request, Response,
};

use crate::{Description, Media, MediaConfig, Mxc, Reach};

/// There are no other servers, but for one that gives a file of 1,000 bytes for every id.
struct World;

fn unreachable(server: &ServerName) -> ExchangeError {
    ExchangeError::Unreachable { server: server.clone(), reason: "there is nobody".to_owned() }
}

impl Exchange for World {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(async move { Err(unreachable(&request.destination)) })
    }

    fn open(&self, request: Request) -> BoxFuture<'_, Result<Download, ExchangeError>> {
        let id = request.path_and_query.split(['/', '?']).find(|part| part.starts_with("id")).unwrap_or_default();
        let content = format!("{id:-<1000}");
        let body = format!("--b\r\n\r\n{{}}\r\n--b\r\nContent-Type: text/plain\r\n\r\n{content}\r\n--b--");
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", "multipart/mixed; boundary=b".parse().unwrap());
        let body = Box::pin(stream::iter([Ok(Bytes::from(body))]));
        Box::pin(async move { Ok(Download { status: 200, headers, body }) })
    }
}

impl Downloads for World {
    fn open_url<'a>(
        &'a self,
        server: &'a ServerName,
        _: &'a str,
        _: CallLimits,
    ) -> BoxFuture<'a, Result<Download, ExchangeError>> {
        Box::pin(async move { Err(unreachable(server)) })
    }
}

/// A content repository in a temporary folder, for files of up to 100,000 bytes, and for 3,500 bytes of copies.
struct Repository {
    media: Media,
    handles: Handles,
    database: Database,
    folder: TempDir,
}

impl Repository {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_inline(None).unwrap();
        Self::over(folder, database).await
    }

    async fn over(folder: TempDir, database: Database) -> Self {
        let handles = Handles::simulated(1);
        let server_name = ServerName::parse("a.test").unwrap();
        let health = Health::open(database.clone(), handles.clone()).await.unwrap();
        let key = Arc::new(SigningKey::from_seed(KeyId::parse("ed25519:1").unwrap(), &[7; 32]));
        let client = Client::new(server_name.clone(), key, Arc::new(World), handles.clone(), health);
        let requests = MediaRequests::new(MediaClient::new(client, Arc::new(World)));
        let config = MediaConfig {
            server_name,
            folder: folder.path().to_owned(),
            upload_bytes_max: 100_000,
            cache_bytes_max: 3_500,
        };
        let media = Media::open(config, database.clone(), handles.clone(), requests).unwrap();
        Self { media, handles, database, folder }
    }

    /// As after a crash: another process opens the same folder and the same database.
    async fn restart(self) -> Self {
        Self::over(self.folder, self.database).await
    }

    async fn upload(&self, content: &[u8]) -> Mxc {
        let pieces = content.chunks(1_000).map(|piece| Ok::<_, String>(Bytes::copy_from_slice(piece)));
        let pieces = stream::iter(pieces.collect::<Vec<_>>());
        self.media.upload(&user(), Description::default(), pieces).await.unwrap()
    }

    async fn content(&self, mxc: &Mxc) -> Vec<u8> {
        let file = self.media.download(mxc, Some(Duration::ZERO), Reach::Everywhere).await.unwrap();
        let bytes = file.bytes;
        file.content(0..bytes).try_collect::<Vec<_>>().await.unwrap().concat()
    }

    /// All files, complete ones and others, by their names.
    fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(self.folder.path(), &mut names);
        names.sort_unstable();
        names
    }
}

fn collect(folder: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
        } else {
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
}

fn user() -> UserId {
    UserId::parse("@alice:a.test").unwrap()
}

fn remote(id: &str) -> Mxc {
    Mxc::new("b.test", id).unwrap()
}
