//! Thumbnails of images in all formats, of bombs, and of what is no image.

use std::io::Cursor;

use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::jpeg::JpegEncoder;
use image::{AnimationDecoder, DynamicImage, Frame, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;
use crate::{MediaError, Motion, ThumbnailMethod, ThumbnailQuestion};

/// The left half red, the right half blue.
fn two_halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) })
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn animated_gif(width: u32, height: u32, frames: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for number in 0..frames {
        let image = RgbaImage::from_pixel(width, height, Rgba([number, 0, 0, 255]));
        encoder.encode_frame(Frame::new(image)).unwrap();
    }
    drop(encoder);
    bytes
}

fn question(width: u32, height: u32, motion: Motion) -> ThumbnailQuestion {
    ThumbnailQuestion { width, height, method: ThumbnailMethod::Crop, motion }
}

/// Uploads an image, and returns the type and the bytes of its thumbnail.
async fn thumbnail(image: &[u8], question: ThumbnailQuestion) -> Result<(String, Vec<u8>), MediaError> {
    let repository = Repository::new().await;
    let mxc = repository.upload(image).await;
    let file = repository.media.thumbnail(&mxc, question, None, Reach::Ours).await?;
    let (content_type, bytes) = (file.content_type.clone(), file.bytes);
    Ok((content_type, file.content(0..bytes).try_collect::<Vec<_>>().await.unwrap().concat()))
}

async fn error(image: &[u8]) -> MediaError {
    thumbnail(image, question(32, 32, Motion::Still)).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn every_format_gives_a_thumbnail_and_transparency_stays() {
    let opaque = DynamicImage::ImageRgb8(two_halves(200, 100));
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(200, 100, Rgba([1, 2, 3, 100])));
    for (image, format, expected) in [
        (&opaque, ImageFormat::Png, "image/jpeg"),
        (&opaque, ImageFormat::Jpeg, "image/jpeg"),
        (&opaque, ImageFormat::WebP, "image/jpeg"),
        (&opaque, ImageFormat::Gif, "image/png"),
        (&clear, ImageFormat::Png, "image/png"),
        (&clear, ImageFormat::WebP, "image/png"),
    ] {
        let (content_type, bytes) = thumbnail(&written(image, format), question(32, 32, Motion::Still)).await.unwrap();
        assert_eq!(content_type, expected, "{format:?}");
        let shown = image::load_from_memory(&bytes).unwrap();
        assert_eq!((shown.width(), shown.height()), (32, 32), "{format:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_lies_on_its_side_is_turned() {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&two_halves(200, 100)).unwrap();
    // Right after the start of the image: Exif, big-endian, one entry: orientation 6, to be turned clockwise.
    let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = u16::try_from(2 + 6 + tiff.len()).unwrap().to_be_bytes();
    let exif = [&b"\xff\xe1"[..], &length, b"Exif\0\0", tiff].concat();
    jpeg.splice(2..2, exif);
    let scaled = ThumbnailQuestion { width: 32, height: 32, method: ThumbnailMethod::Scale, motion: Motion::Still };
    let (_, bytes) = thumbnail(&jpeg, scaled).await.unwrap();
    let shown = image::load_from_memory(&bytes).unwrap().into_rgb8();
    assert_eq!((shown.width(), shown.height()), (32, 64));
    // What was on the left is at the top.
    let (top, bottom) = (shown.get_pixel(16, 4), shown.get_pixel(16, 60));
    assert!(top[0] > 200 && bottom[2] > 200, "{top:?} {bottom:?}");
}

#[tokio::test(start_paused = true)]
async fn what_moves_does_so_only_when_asked_to() {
    for (size, still_size) in [(100, 32), (20, 20)] {
        let gif = animated_gif(size, size, 5);
        let (content_type, bytes) = thumbnail(&gif, question(32, 32, Motion::Still)).await.unwrap();
        assert_eq!(
            (content_type.as_str(), image::load_from_memory(&bytes).unwrap().width()),
            ("image/png", still_size)
        );
        let (content_type, bytes) = thumbnail(&gif, question(32, 32, Motion::Animated)).await.unwrap();
        let frames = image::codecs::gif::GifDecoder::new(Cursor::new(bytes)).unwrap().into_frames();
        let frames = frames.collect_frames().unwrap();
        assert_eq!((content_type.as_str(), frames.len(), frames[0].buffer().width()), ("image/gif", 5, still_size));
    }
    // What cannot move does not.
    let jpeg = written(&DynamicImage::ImageRgb8(two_halves(200, 100)), ImageFormat::Jpeg);
    let (content_type, _) = thumbnail(&jpeg, question(32, 32, Motion::Animated)).await.unwrap();
    assert_eq!(content_type, "image/jpeg");
}

#[tokio::test(start_paused = true)]
async fn an_animation_that_is_too_long_stands_still() {
    let gif = animated_gif(33, 33, u8::MAX);
    let (content_type, _) = thumbnail(&gif, question(32, 32, Motion::Animated)).await.unwrap();
    assert_eq!(content_type, "image/png");
}

/// A PNG that says it has so many pixels, and has next to none.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        let named = [name, data].concat();
        [&length[..], &named, &crc32fast::hash(&named).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(b"IHDR", &header), &chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0, 0])].concat()
}

#[tokio::test(start_paused = true)]
async fn bombs_are_refused_before_a_pixel_is_decoded() {
    for bomb in [png_bomb(50_000, 50_000), png_bomb(29_000, 29_000), png_bomb(60_000, 2), png_bomb(u32::MAX / 2, 1)] {
        let error = error(&bomb).await;
        assert!(matches!(error, MediaError::ImageTooLarge { is_ours: true, .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_damaged_or_no_image_is_an_error() {
    let png = written(&DynamicImage::ImageRgb8(two_halves(200, 100)), ImageFormat::Png);
    let jpeg = written(&DynamicImage::ImageRgb8(two_halves(200, 100)), ImageFormat::Jpeg);
    for image in [&b""[..], b"text", b"GIF89a", b"<svg/>", b"BM123456", &png[..png.len() / 2], &jpeg[..20]] {
        let error = error(image).await;
        assert!(matches!(error, MediaError::CannotThumbnail(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thumbnail_is_made_once_and_only_so_many_are_kept() {
    let repository = Repository::new().await;
    let image = written(&DynamicImage::ImageRgb8(two_halves(200, 100)), ImageFormat::Png);
    let mxc = repository.upload(&image).await;
    let ask = async |width, height| {
        let question = question(width, height, Motion::Still);
        repository.media.thumbnail(&mxc, question, None, Reach::Ours).await.unwrap().bytes
    };
    let both = futures_util::future::join(ask(32, 32), ask(30, 30)).await;
    assert_eq!(both.0, both.1);
    assert_eq!(repository.files().len(), 2);
    for height in 1..32 {
        repository.handles.clock.sleep(Duration::from_secs(1)).await;
        ask(32, height).await;
    }
    let kept = usize::try_from(crate::limits::THUMBNAILS_PER_FILE_MAX).unwrap();
    assert!(repository.files().len() <= 1 + kept, "{}", repository.files().len());
}
