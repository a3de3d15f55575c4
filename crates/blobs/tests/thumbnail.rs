//! Thumbnails and avatars: small, upright, nothing but pixels, and hostile images fail cheaply.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use blobs::BlobError;
use common::{
    files, noise,
    pictures::{BLUE, RED, chunk, crc32, encode, exif, has, thumbnail, two_halves, webp_with_exif},
    put, store,
};
use image::{
    DynamicImage, Frame, GenericImageView as _, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::gif::GifEncoder,
};

fn jpeg_with_exif(picture: RgbImage, orientation: u16) -> Vec<u8> {
    let mut jpeg = encode(picture, ImageFormat::Jpeg);
    let body = [b"Exif\0\0", &exif(orientation)[..]].concat();
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    let segment = [&[0xff, 0xe1], &length[..], &body].concat();
    jpeg.splice(2..2, segment);
    jpeg
}

/// A PNG with one more chunk behind its header.
fn png_with(picture: impl Into<DynamicImage>, name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut png = encode(picture, ImageFormat::Png);
    let named = [&name[..], content].concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    png.splice(33..33, [&length[..], &named, &crc32(&named).to_be_bytes()].concat());
    png
}

fn close(a: Rgb<u8>, b: Rgb<u8>) -> bool {
    a.0.iter().zip(b.0).all(|(a, b)| a.abs_diff(b) < 24)
}

#[tokio::test]
async fn every_format_shrinks_and_keeps_its_proportions() {
    let (dir, blobs) = store();
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
        let source = encode(DynamicImage::from(two_halves(1200, 400)).to_rgba8(), ImageFormat::Png);
        let picture = image::load_from_memory(&source).unwrap();
        let source = match format {
            ImageFormat::Jpeg => encode(picture.to_rgb8(), format),
            _ => encode(picture, format),
        };
        let thumb = thumbnail(&blobs, &source, 300).await.unwrap().unwrap();
        assert_eq!(image::guess_format(&thumb).unwrap(), ImageFormat::Jpeg, "opaque {format:?}");
        let thumb = image::load_from_memory(&thumb).unwrap().to_rgb8();
        assert_eq!(thumb.dimensions(), (300, 100), "{format:?}");
        assert!(close(*thumb.get_pixel(20, 50), RED) && close(*thumb.get_pixel(280, 50), BLUE), "{format:?}");
    }
    assert_eq!(files(&dir.path().join("tmp")), 0);
}

#[tokio::test]
async fn small_pictures_are_not_enlarged_and_thin_ones_do_not_vanish() {
    let (_dir, blobs) = store();
    for (size, edge, expected) in [
        ((40, 30), 512, (40, 30)),
        ((512, 1), 512, (512, 1)),
        ((4000, 1), 100, (100, 1)),
        ((700, 350), 512, (512, 256)),
        ((9, 9), 0, (1, 1)),
    ] {
        let source = encode(two_halves(size.0, size.1), ImageFormat::Png);
        let thumb = thumbnail(&blobs, &source, edge).await.unwrap().unwrap();
        assert_eq!(image::load_from_memory(&thumb).unwrap().dimensions(), expected, "{size:?}");
    }
}

#[tokio::test]
async fn transparency_stays() {
    let (_dir, blobs) = store();
    let hole = RgbaImage::from_fn(600, 600, |x, _| Rgba([9, 200, 9, if x < 300 { 0 } else { 255 }]));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
        let thumb = thumbnail(&blobs, &encode(hole.clone(), format), 200).await.unwrap().unwrap();
        assert_eq!(image::guess_format(&thumb).unwrap(), ImageFormat::Png, "{format:?}");
        let thumb = image::load_from_memory(&thumb).unwrap().to_rgba8();
        assert_eq!((thumb.get_pixel(10, 99).0[3], thumb.get_pixel(190, 99).0[3]), (0, 255), "{format:?}");
    }
}

#[tokio::test]
async fn a_png_keeps_its_holes_and_tells_no_place() {
    let (_dir, blobs) = store();
    let hole = RgbaImage::from_fn(120, 60, |x, _| Rgba([9, 200, 9, if x < 60 { 0 } else { 255 }]));
    for (name, content) in [(b"eXIf", exif(6)), (b"tEXt", b"Location\0ACM, 31 N 13 E".to_vec())] {
        let source = png_with(hole.clone(), name, &content);
        let thumb = thumbnail(&blobs, &source, 512).await.unwrap().unwrap();
        assert!(has(&source, b"ACM") && !has(&thumb, b"ACM") && !has(&thumb, name));
        let thumb = image::load_from_memory_with_format(&thumb, ImageFormat::Png).unwrap().to_rgba8();
        assert_eq!(thumb.dimensions(), if name == b"eXIf" { (60, 120) } else { (120, 60) });
        assert_eq!(thumb.get_pixel(2, 2).0[3], 0);
    }
}

#[tokio::test]
async fn telephone_pictures_stand_upright_and_tell_no_place() {
    let (_dir, blobs) = store();
    for max_edge in [512, 4000] {
        for orientation in 1..=8 {
            let source = jpeg_with_exif(two_halves(1200, 600), orientation);
            assert!(has(&source, b"Exif") && has(&source, b"ACM"), "the test's own picture");
            let thumb = thumbnail(&blobs, &source, max_edge).await.unwrap().unwrap();
            for secret in [&b"Exif"[..], b"ACM", b"MM\0\x2a", b"\0\0\x13\xc1"] {
                assert!(!has(&thumb, secret), "{secret:?} in orientation {orientation}");
            }
            // Only JFIF's own APP0 of all application segments, and no comment.
            for marker in (0xe1..=0xef).chain([0xfe]) {
                assert!(!has(&thumb[..200], &[0xff, marker]), "segment {marker:x}");
            }
            let thumb = image::load_from_memory(&thumb).unwrap().to_rgb8();
            let (width, height) = thumb.dimensions();
            assert_eq!(width > height, orientation <= 4, "orientation {orientation}");
            // Where the left half, the red one, goes (EXIF 2.32, tag 0x0112).
            let (x, y) = match orientation {
                1 | 4 => (width / 8, height / 2),
                2 | 3 => (width * 7 / 8, height / 2),
                5 | 6 => (width / 2, height / 8),
                _ => (width / 2, height * 7 / 8),
            };
            assert!(close(*thumb.get_pixel(x, y), RED), "orientation {orientation}");
            assert!(
                close(*thumb.get_pixel(width - 1 - x, height - 1 - y), BLUE),
                "orientation {orientation}"
            );
        }
    }
}

#[tokio::test]
async fn webp_stands_upright_too() {
    let (_dir, blobs) = store();
    let tiff = exif(6);
    let honest = webp_with_exif(two_halves(120, 60), u32::try_from(tiff.len()).unwrap(), &tiff);
    let thumb = thumbnail(&blobs, &honest, 512).await.unwrap().unwrap();
    assert!(!has(&thumb, b"ACM"));
    let thumb = image::load_from_memory(&thumb).unwrap().to_rgb8();
    assert_eq!(thumb.dimensions(), (60, 120));
    assert!(close(*thumb.get_pixel(30, 10), RED));
}

#[tokio::test]
async fn of_an_animation_the_first_frame() {
    let (_dir, blobs) = store();
    let frame = |colour: Rgb<u8>| {
        let [r, g, b] = colour.0;
        Frame::new(RgbaImage::from_pixel(64, 64, Rgba([r, g, b, 255])))
    };
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif).encode_frames([frame(RED), frame(BLUE)]).unwrap();
    let thumb = thumbnail(&blobs, &gif, 32).await.unwrap().unwrap();
    assert!(close(*image::load_from_memory(&thumb).unwrap().to_rgb8().get_pixel(16, 16), RED));

    // WebP: each frame is an ANMF chunk around an ordinary image chunk.
    let still = |colour| encode(RgbImage::from_pixel(64, 64, colour), ImageFormat::WebP)[12..].to_vec();
    let anmf = |image: Vec<u8>| {
        let content = [&[0, 0, 0, 0, 0, 0, 63, 0, 0, 63, 0, 0, 100, 0, 0, 0][..], &image].concat();
        chunk(b"ANMF", u32::try_from(content.len()).unwrap(), &content)
    };
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", 10, &[0x02, 0, 0, 0, 63, 0, 0, 63, 0, 0]),
        chunk(b"ANIM", 6, &[0; 6]),
        anmf(still(RED)),
        anmf(still(BLUE)),
    ]
    .concat();
    let webp = chunk(b"RIFF", u32::try_from(body.len()).unwrap(), &body);
    let thumb = thumbnail(&blobs, &webp, 32).await.unwrap().unwrap();
    assert!(close(*image::load_from_memory(&thumb).unwrap().to_rgb8().get_pixel(16, 16), RED));
}

#[tokio::test]
async fn what_is_no_picture_has_no_thumbnail() {
    let (dir, blobs) = store();
    for other in [&b""[..], b"text", b"<svg/>", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"BM\0\0", b"II*\0"] {
        assert_eq!(thumbnail(&blobs, other, 512).await.unwrap(), None, "{other:?}");
    }
    assert!(matches!(blobs.make_thumbnail("attach_none", "attach_t", 9).await, Err(BlobError::Missing)));
    assert_eq!(files(&dir.path().join("objects")), 1, "the source alone");
}

#[tokio::test]
async fn broken_pictures_fail_and_say_so() {
    let (dir, blobs) = store();
    let noisy = RgbImage::from_raw(200, 200, noise(120_000, 4)).unwrap();
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let whole = encode(noisy.clone(), format);
        let error = thumbnail(&blobs, &whole[..whole.len() / 2], 64).await.unwrap_err();
        assert!(
            matches!(error, BlobError::NotAnImage(ref reason) if !reason.is_empty()),
            "{format:?} {error:?}"
        );
    }
    for stump in
        [&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"GIF89a", b"RIFF\0\0\0\0WEBP"]
    {
        let error = thumbnail(&blobs, stump, 64).await.unwrap_err();
        assert!(matches!(error, BlobError::NotAnImage(_)), "{stump:?} {error:?}");
    }
    assert_eq!(blobs.size("attach_thumb").await.unwrap(), None);
    assert_eq!(files(&dir.path().join("tmp")), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_take_turns() {
    let (dir, blobs) = store();
    put(&blobs, "attach_source", &jpeg_with_exif(two_halves(1200, 600), 6)).await.unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let blobs = blobs.clone();
            tokio::spawn(
                async move { blobs.make_thumbnail("attach_source", &format!("thumb_{n}"), 64).await },
            )
        })
        .collect();
    let mut sums = Vec::new();
    for task in tasks {
        sums.push(task.await.unwrap().unwrap().unwrap().sha256);
    }
    sums.dedup();
    assert_eq!(sums.len(), 1, "the same picture each time");
    assert_eq!(files(&dir.path().join("objects")), 17);
}
