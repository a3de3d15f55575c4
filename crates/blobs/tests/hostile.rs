//! Pictures that declare more than they hold. Alone in its process, whose memory it measures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use blobs::BlobError;
use common::{
    peak,
    pictures::{chunk, encode, exif, png_bomb, thumbnail, two_halves, webp_with_exif},
    store,
};
use image::{GenericImageView as _, ImageFormat, RgbImage, RgbaImage};

#[tokio::test]
async fn declared_giants_cost_nothing() {
    let (_dir, blobs) = store();
    // Room that is asked for and not touched counts here: a small machine would refuse it and abort.
    let before = peak("VmPeak:");
    let lying = webp_with_exif(two_halves(120, 60), u32::MAX - 1, &exif(6));
    let thumb = thumbnail(&blobs, &lying, 512).await.unwrap().unwrap();
    assert_eq!(image::load_from_memory(&thumb).unwrap().dimensions(), (120, 60));
    assert!(peak("VmPeak:").saturating_sub(before) < 1 << 20, "1 GiB; the declared size is 4");

    let mut jpeg = encode(RgbImage::new(8, 8), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    let mut gif = encode(RgbaImage::new(8, 8), ImageFormat::Gif);
    gif[6..10].fill(0xff);
    let mut frame_in_gif = encode(RgbaImage::new(8, 8), ImageFormat::Gif);
    let descriptor = frame_in_gif.windows(5).rposition(|bytes| bytes == [0x2c, 0, 0, 0, 0]).unwrap();
    frame_in_gif[descriptor + 5..descriptor + 9].fill(0xff);
    let canvas = [8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    let webp =
        [b"WEBP", &chunk(b"VP8X", 10, &canvas)[..], &encode(RgbImage::new(8, 8), ImageFormat::WebP)[12..]];
    let webp = chunk(b"RIFF", 4000, &webp.concat());

    for (name, bomb) in [
        ("png", png_bomb(60_000, 60_000)),
        ("png just over", png_bomb(8192, 6401)),
        ("png strip", png_bomb(u32::MAX >> 1, 1)),
        ("jpeg", jpeg),
        ("gif", gif),
        ("gif frame", frame_in_gif),
        ("webp", webp),
    ] {
        let before = peak("VmHWM:");
        let error = thumbnail(&blobs, &bomb, 512).await.unwrap_err();
        assert!(matches!(error, BlobError::NotAnImage(_)), "{name}: {error:?}");
        let grown = peak("VmHWM:").saturating_sub(before);
        assert!(grown < 8 * 1024, "{name}: {grown} KiB");
    }
}
