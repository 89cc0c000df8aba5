//! Limits of the content repository, checked against each other.

use std::time::Duration;

/// Characters of an id of ours: 140 bits, as knowing an id is all that it takes to download.
pub(crate) const MEDIA_ID_LENGTH: usize = 24;
/// Characters of an id of another server.
pub(crate) const MEDIA_ID_BYTES_MAX: usize = 255;
/// Bytes of a file's name.
pub const FILE_NAME_BYTES_MAX: usize = 1_024;
/// Bytes of a `Content-Type`.
pub const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// How long an id waits for its content. The specification's recommendation.
pub const UNUSED_LIFETIME: Duration = Duration::from_hours(24);
/// Ids of one user that wait for their content.
pub const UNUSED_PER_USER_MAX: i64 = 20;
/// How long a request waits for content if it does not say.
pub const PATIENCE_DEFAULT: Duration = Duration::from_secs(20);
/// How long it waits whatever it says.
pub const PATIENCE_MAX: Duration = Duration::from_secs(60);
const _: () = assert!(PATIENCE_DEFAULT.as_secs() <= PATIENCE_MAX.as_secs());

/// Uploads at the same time: each has a file and a buffer.
pub(crate) const UPLOADS_MAX: usize = 128;
/// Downloads from other servers at the same time.
pub(crate) const FETCHES_MAX: usize = 32;
/// Between two pieces of an upload.
pub(crate) const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// An upload may take this long, and longer at the rate below.
pub(crate) const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// The slowest upload.
pub(crate) const UPLOAD_BYTES_PER_SECOND: u64 = 4 * 1024;
/// Bytes that are gathered before they go to the disk, and that are read from it at once.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// How long the copy of a remote file stays that nobody asks for.
pub const CACHE_AGE_MAX: Duration = Duration::from_hours(90 * 24);
/// A use is written down again after this: not every download costs a write.
pub(crate) const USE_PRECISION: Duration = Duration::from_hours(24);
const _: () = assert!(USE_PRECISION.as_secs() < CACHE_AGE_MAX.as_secs());
/// How often the cache and unused ids are looked through.
pub(crate) const CLEANING_INTERVAL: Duration = Duration::from_hours(1);
/// Copies that are dropped in one transaction.
pub(crate) const DROPPED_AT_ONCE: u32 = 100;

/// Pixels of an image that is decoded: 4 bytes each, some of them twice.
pub const DECODED_PIXELS_MAX: u64 = 50_000_000;
/// Bytes of memory that decoding may take.
pub(crate) const DECODED_BYTES_MAX: u64 = 512 * 1024 * 1024;
const _: () = assert!(DECODED_PIXELS_MAX * 8 <= DECODED_BYTES_MAX);
/// Bytes of an image's file.
pub(crate) const IMAGE_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Width and height of an image. A line of one pixel is no image.
pub(crate) const IMAGE_SIDE_MAX: u32 = 30_000;
/// Frames of an animation that are looked at: a longer one stands still.
pub(crate) const FRAMES_MAX: usize = 200;
/// Pixels of all frames.
pub(crate) const FRAME_PIXELS_MAX: u64 = 100_000_000;
/// How long one thumbnail may take.
pub(crate) const DECODING_TIME_MAX: Duration = Duration::from_secs(20);
/// Images that are decoded at the same time: it is the most expensive thing that a request can ask for.
pub(crate) const DECODINGS_MAX: usize = 1;
/// Thumbnails that wait for their turn.
pub(crate) const THUMBNAILS_WAITING_MAX: usize = 64;
/// Thumbnails kept of one file.
pub(crate) const THUMBNAILS_PER_FILE_MAX: u32 = 16;
