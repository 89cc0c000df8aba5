//! Thumbnails: made once for a few sizes, and kept. C-S API, "Thumbnails".

mod animation;
mod image_file;
mod size;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use persistence::transactions::media::{self, Content, Thumbnail};
use transport::questions::{Motion, ThumbnailMethod, ThumbnailQuestion};

use crate::download::{OpenFile, Reach};
use crate::error::MediaError;
use crate::files::ReceiveError;
use crate::limits::{IMAGE_FILE_BYTES_MAX, THUMBNAILS_PER_FILE_MAX};
use crate::mxc::Mxc;
use crate::repository::Media;
use image_file::{Failure, Outcome, Patience};
use size::Target;

/// Names a thumbnail: the hash of the file it shows, the size it is made for, and how.
pub(crate) type Key = (String, Target, Motion);

/// What became of the wish for a thumbnail.
#[derive(Debug, Clone)]
pub(crate) enum Made {
    /// It is there.
    Thumbnail(Thumbnail),
    /// The original is not larger than it would be. Its type, as its bytes say.
    Original(&'static str),
}

impl Media {
    /// Opens a thumbnail of a file; the file itself, if that is not larger.
    pub async fn thumbnail(
        &self,
        mxc: &Mxc,
        question: ThumbnailQuestion,
        patience: Option<Duration>,
        reach: Reach,
    ) -> Result<OpenFile, MediaError> {
        let (original, file) = self.find(mxc, patience, reach).await?;
        let target = Target::of(&question);
        if let Some(found) = self.open_thumbnail(self.stored(&original, target, question.motion).await?).await? {
            return Ok(found);
        }
        if u64::try_from(original.bytes).unwrap_or(u64::MAX) > IMAGE_FILE_BYTES_MAX {
            return Err(self.too_large(mxc));
        }
        let key = (original.hash.clone(), target, question.motion);
        let shared = Arc::new(file);
        let (media, decoded, of, wanted) = (self.clone(), Arc::clone(&shared), original.hash.clone(), mxc.clone());
        let flight = self
            .0
            .thumbnails
            .join(key, || Box::pin(async move { media.make(wanted, of, decoded, target, question.motion).await }));
        match flight.await? {
            Made::Thumbnail(thumbnail) => {
                self.open_thumbnail(Some(thumbnail)).await?.ok_or_else(|| MediaError::NotFound(mxc.clone()))
            }
            Made::Original(content_type) => Ok(OpenFile {
                content_type: content_type.to_owned(),
                file_name: original.file_name,
                bytes: u64::try_from(original.bytes).unwrap_or(0),
                file: shared,
            }),
        }
    }

    fn too_large(&self, mxc: &Mxc) -> MediaError {
        MediaError::ImageTooLarge { mxc: mxc.clone(), is_ours: self.is_ours(mxc) }
    }

    async fn stored(
        &self,
        original: &Content,
        target: Target,
        motion: Motion,
    ) -> Result<Option<Thumbnail>, MediaError> {
        let (of, variant) = (original.hash.clone(), variant(target, motion));
        Ok(self.0.database.read(move |tx| media::thumbnail(tx, &of, target.width, target.height, variant)).await?)
    }

    async fn open_thumbnail(&self, thumbnail: Option<Thumbnail>) -> Result<Option<OpenFile>, MediaError> {
        let Some(thumbnail) = thumbnail else { return Ok(None) };
        let file = self.0.files.open_file(&thumbnail.hash).await?;
        let file_name = thumbnail.content_type.strip_prefix("image/").map(|kind| format!("thumbnail.{kind}"));
        Ok(file.map(|file| OpenFile {
            content_type: thumbnail.content_type,
            file_name,
            bytes: u64::try_from(thumbnail.bytes).unwrap_or(0),
            file: Arc::new(file),
        }))
    }

    async fn make(
        self,
        mxc: Mxc,
        of: String,
        file: Arc<File>,
        target: Target,
        motion: Motion,
    ) -> Result<Made, MediaError> {
        let _place = self.0.waiting_for_thumbnails.try_acquire().map_err(|_| MediaError::Busy)?;
        // The semaphore is never closed. Who gives up waiting does not stop the work: it keeps its turn until it is done.
        let turn = Arc::clone(&self.0.decoding).acquire_owned().await;
        let patience = Patience::begin(self.0.handles.clock.clone());
        let work = move || {
            let _turn = turn;
            image_file::make(&file, target, motion, &patience)
        };
        let made = match self.0.handles.compute.run(work).await {
            Ok(Outcome::Made(made)) => made,
            Ok(Outcome::Original(content_type)) => return Ok(Made::Original(content_type)),
            Err(Failure::TooLarge) => return Err(self.too_large(&mxc)),
            Err(Failure::NoImage(reason)) => return Err(MediaError::CannotThumbnail(reason)),
        };
        let bytes = made.bytes.len() as u64;
        let content = stream::iter([Ok::<_, MediaError>(Bytes::from(made.bytes))]);
        let received = match self.0.files.receive(content, bytes).await {
            Ok(received) => received,
            Err(ReceiveError::TooLarge) => return Err(self.too_large(&mxc)),
            Err(ReceiveError::Source(error)) => return Err(error),
            Err(ReceiveError::File(error)) => return Err(error.into()),
        };
        let thumbnail = Thumbnail {
            of,
            width: target.width,
            height: target.height,
            variant: variant(target, motion).to_owned(),
            hash: received.hash.clone(),
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            content_type: made.content_type.to_owned(),
        };
        let (stored, now) = (thumbnail.clone(), self.now());
        let commit = self.0.database.write(move |tx| media::put_thumbnail(tx, &stored, now, THUMBNAILS_PER_FILE_MAX));
        let freed = self.0.files.place(received, async { Ok(commit.await?) }).await?;
        if !freed.is_empty() {
            self.delete_unreferenced(freed).await?;
        }
        Ok(Made::Thumbnail(thumbnail))
    }
}

fn variant(target: Target, motion: Motion) -> &'static str {
    match (target.method, motion) {
        (ThumbnailMethod::Crop, Motion::Still) => "crop",
        (ThumbnailMethod::Crop, Motion::Animated) => "crop animated",
        (ThumbnailMethod::Scale, Motion::Still) => "scale",
        (ThumbnailMethod::Scale, Motion::Animated) => "scale animated",
    }
}
