//! Decoding what strangers call an image. Memory-safe decoders, and limits on sides, pixels, bytes and time: the size is looked at
//! before a pixel is decoded.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use handles::Clock;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use transport::questions::Motion;

use super::animation;
use super::size::{Plan, Target};
use crate::limits::{DECODED_BYTES_MAX, DECODED_PIXELS_MAX, DECODING_TIME_MAX, IMAGE_SIDE_MAX};

/// Of photographs, one sees no difference.
const JPEG_QUALITY: u8 = 80;

/// A format that we decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    Gif,
    WebP,
}

impl Format {
    const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Gif, Self::WebP];

    /// As the decoders call it.
    fn known(self) -> ImageFormat {
        match self {
            Self::Png => ImageFormat::Png,
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Gif => ImageFormat::Gif,
            Self::WebP => ImageFormat::WebP,
        }
    }
}

/// What was made.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: &'static str,
}

/// What an image gives.
pub(super) enum Outcome {
    Made(Encoded),
    /// The image itself is what was asked for; its type.
    Original(&'static str),
}

/// Why an image gives nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Larger than what we decode, or it takes too long.
    TooLarge,
    /// Not one that we know.
    NoImage(String),
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooLarge,
            ImageError::IoError(error) if error.kind() == io::ErrorKind::TimedOut => Self::TooLarge,
            ImageError::IoError(_)
            | ImageError::Decoding(_)
            | ImageError::Encoding(_)
            | ImageError::Parameter(_)
            | ImageError::Unsupported(_) => Self::NoImage(error.to_string()),
        }
    }
}

/// How long decoding may go on.
pub(super) struct Patience {
    clock: Arc<dyn Clock>,
    until: Duration,
}

impl Patience {
    pub(super) fn begin(clock: Arc<dyn Clock>) -> Self {
        let until = clock.monotonic() + DECODING_TIME_MAX;
        Self { clock, until }
    }

    /// An error that becomes [`Failure::TooLarge`].
    pub(super) fn check(&self) -> io::Result<()> {
        if self.clock.monotonic() < self.until { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// A file that can no longer be read when patience is at an end. Several read the same one, each from where it is itself.
pub(super) struct Watched<'a> {
    file: &'a File,
    at: u64,
    patience: &'a Patience,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patience.check()?;
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
            SeekFrom::End(offset) => self.file.metadata()?.len().checked_add_signed(offset),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Makes a thumbnail of the image in `file`.
pub(super) fn make(file: &File, target: Target, motion: Motion, patience: &Patience) -> Result<Outcome, Failure> {
    let source = || BufReader::new(Watched { file, at: 0, patience });
    let format = format(source())?;
    let mut decoder = reader(source(), format).into_decoder()?;
    let stored = decoder.dimensions();
    if u64::from(stored.0) * u64::from(stored.1) > DECODED_PIXELS_MAX {
        return Err(Failure::TooLarge);
    }
    // An image whose metadata is damaged is shown as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let plan = target.plan(upright(stored, orientation));
    let moves = animation::moves(source(), format)?;
    match (plan, moves, motion) {
        (None, false, _) | (None, true, Motion::Animated) => {
            return Ok(Outcome::Original(format.known().to_mime_type()));
        }
        (Some(plan), true, Motion::Animated) => {
            if let Some(animated) = animation::make(source(), format, plan, patience)? {
                return Ok(Outcome::Made(animated));
            }
        }
        (Some(_), false, _) | (_, true, Motion::Still) => {}
    }
    let mut image = DynamicImage::from_decoder(decoder)?;
    patience.check().map_err(ImageError::IoError)?;
    image.apply_orientation(orientation);
    let shown = match plan {
        Some(plan) => shrink(&image, plan),
        None => image,
    };
    Ok(Outcome::Made(encode(&shown)?))
}

/// The format that the bytes are in, whatever anybody says about them.
fn format<R: BufRead + Seek>(source: R) -> Result<Format, Failure> {
    let guessed = ImageReader::new(source).with_guessed_format().map_err(ImageError::IoError)?.format();
    let known = Format::ALL.into_iter().find(|format| guessed == Some(format.known()));
    known.ok_or_else(|| Failure::NoImage("it is neither PNG, JPEG, GIF nor WebP".to_owned()))
}

fn reader<R: BufRead + Seek>(source: R, format: Format) -> ImageReader<R> {
    let mut reader = ImageReader::with_format(source, format.known());
    reader.limits(limits());
    reader
}

pub(super) fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(IMAGE_SIDE_MAX);
    limits.max_image_height = Some(IMAGE_SIDE_MAX);
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    limits
}

/// The size once it has been turned as its metadata says.
fn upright((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            (height, width)
        }
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => (width, height),
    }
}

/// Cuts and shrinks.
pub(super) fn shrink(image: &DynamicImage, plan: Plan) -> DynamicImage {
    let (left, top, width, height) = plan.part;
    let is_whole = (left, top) == (0, 0) && (width, height) == (image.width(), image.height());
    let shrunk = |part: &DynamicImage| part.thumbnail_exact(plan.size.0, plan.size.1);
    if is_whole { shrunk(image) } else { shrunk(&image.crop_imm(left, top, width, height)) }
}

fn encode(image: &DynamicImage) -> Result<Encoded, Failure> {
    let mut bytes = Vec::new();
    let content_type = if image.color().has_alpha() {
        image.to_rgba8().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        "image/png"
    } else {
        image.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
        "image/jpeg"
    };
    Ok(Encoded { bytes, content_type })
}
