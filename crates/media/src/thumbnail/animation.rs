//! Images that move: GIF, animated PNG, animated WebP. Their thumbnails are GIFs.

use std::io::{BufRead, Seek};

use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, Frame, Frames, ImageDecoder, ImageError};

use super::image_file::{Encoded, Failure, Format, Patience, limits, shrink};
use super::size::Plan;
use crate::limits::{FRAME_PIXELS_MAX, FRAMES_MAX};

/// How hard the encoder looks for good colours, from 1 to 30: a thumbnail of many frames should not take long.
const ENCODER_SPEED: i32 = 20;

/// Says whether the image has more than one frame.
pub(super) fn moves<R: BufRead + Seek>(source: R, format: Format) -> Result<bool, Failure> {
    match format {
        Format::Gif => Ok(gif(source)?.into_frames().take(2).count() > 1),
        Format::Png => Ok(PngDecoder::with_limits(source, limits())?.is_apng()?),
        Format::WebP => Ok(WebPDecoder::new(source)?.has_animation()),
        Format::Jpeg => Ok(false),
    }
}

/// Makes a thumbnail of every frame, or `None` if they are too many or too large together.
pub(super) fn make<R: BufRead + Seek>(
    source: R,
    format: Format,
    plan: Plan,
    patience: &Patience,
) -> Result<Option<Encoded>, Failure> {
    let frames = match format {
        Format::Gif => gif(source)?.into_frames(),
        Format::Png => PngDecoder::with_limits(source, limits())?.apng()?.into_frames(),
        Format::WebP => {
            let mut decoder = WebPDecoder::new(source)?;
            decoder.set_limits(limits())?;
            decoder.into_frames()
        }
        Format::Jpeg => return Ok(None),
    };
    encode(frames, plan, patience)
}

fn gif<R: BufRead + Seek>(source: R) -> Result<GifDecoder<R>, Failure> {
    let mut decoder = GifDecoder::new(source)?;
    decoder.set_limits(limits())?;
    Ok(decoder)
}

fn encode(frames: Frames<'_>, plan: Plan, patience: &Patience) -> Result<Option<Encoded>, Failure> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, ENCODER_SPEED);
    encoder.set_repeat(Repeat::Infinite)?;
    let mut pixels = 0;
    for (number, frame) in frames.enumerate() {
        patience.check().map_err(ImageError::IoError)?;
        let frame = frame?;
        let delay = frame.delay();
        let image = DynamicImage::ImageRgba8(frame.into_buffer());
        pixels += u64::from(image.width()) * u64::from(image.height());
        if number >= FRAMES_MAX || pixels > FRAME_PIXELS_MAX {
            return Ok(None);
        }
        let shrunk = shrink(&image, plan).into_rgba8();
        encoder.encode_frame(Frame::from_parts(shrunk, 0, 0, delay))?;
    }
    drop(encoder);
    Ok(Some(Encoded { bytes, content_type: "image/gif" }))
}
