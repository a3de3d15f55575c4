//! Thumbnails and avatars: small, upright, nothing but pixels, and hostile images fail cheaply.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::io::Cursor;

use blobs::{BlobError, Blobs};
use common::{files, get, noise, put, store};
use image::{
    DynamicImage, Frame, GenericImageView as _, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::gif::GifEncoder,
};

const RED: Rgb<u8> = Rgb([220, 20, 20]);
const BLUE: Rgb<u8> = Rgb([20, 20, 220]);

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.into().write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// Left half red, right half blue.
fn two_halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE })
}

/// EXIF as a telephone writes it: an orientation, a maker, a place.
fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"MM\0\x2a\0\0\0\x08\0\x03".to_vec();
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value.to_be_bytes()].concat()
    };
    tiff.extend(entry(0x010f, 2, 4, u32::from_be_bytes(*b"ACM\0")));
    tiff.extend(entry(0x0112, 3, 1, u32::from(orientation) << 16));
    tiff.extend(entry(0x8825, 4, 1, 50));
    tiff.extend([0; 4]);
    assert_eq!(tiff.len(), 50);
    tiff.extend(b"\0\x02");
    tiff.extend(entry(1, 2, 2, u32::from_be_bytes(*b"N\0\0\0")));
    tiff.extend(entry(2, 5, 3, 80));
    tiff.extend([0; 4]);
    [31_u32, 1, 13, 1, 5057, 100].iter().for_each(|part| tiff.extend(part.to_be_bytes()));
    tiff
}

fn jpeg_with_exif(picture: RgbImage, orientation: u16) -> Vec<u8> {
    let mut jpeg = encode(picture, ImageFormat::Jpeg);
    let body = [b"Exif\0\0", &exif(orientation)[..]].concat();
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    let segment = [&[0xff, 0xe1], &length[..], &body].concat();
    jpeg.splice(2..2, segment);
    jpeg
}

fn chunk(name: &[u8; 4], declared: u32, content: &[u8]) -> Vec<u8> {
    [&name[..], &declared.to_le_bytes(), content].concat()
}

/// An extended WebP file: its image chunk, then an EXIF chunk that declares `declared` bytes.
fn webp_with_exif(picture: RgbImage, declared: u32, exif: &[u8]) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    let plain = encode(picture, ImageFormat::WebP);
    let mut header = vec![0x08, 0, 0, 0];
    header.extend(&(width - 1).to_le_bytes()[..3]);
    header.extend(&(height - 1).to_le_bytes()[..3]);
    let body =
        [b"WEBP", &chunk(b"VP8X", 10, &header)[..], &plain[12..], &chunk(b"EXIF", declared, exif)].concat();
    chunk(b"RIFF", u32::try_from(body.len()).unwrap(), &body)
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// A PNG whose header declares this size, with hardly any data behind it.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = encode(RgbImage::new(1, 1), ImageFormat::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

async fn thumbnail(blobs: &Blobs, source: &[u8], max_edge: u32) -> Result<Option<Vec<u8>>, BlobError> {
    put(blobs, "attach_source", source).await.unwrap();
    let Some(stored) = blobs.make_thumbnail("attach_source", "attach_thumb", max_edge).await? else {
        return Ok(None);
    };
    let bytes = get(blobs, "attach_thumb").await.unwrap();
    assert_eq!(stored.size, bytes.len() as u64);
    assert_eq!(stored.media, blobs::Media::sniff(&bytes));
    Ok(Some(bytes))
}

fn close(a: Rgb<u8>, b: Rgb<u8>) -> bool {
    a.0.iter().zip(b.0).all(|(a, b)| a.abs_diff(b) < 24)
}

fn has(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
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
async fn webp_stands_upright_too_and_its_exif_may_lie_about_its_size() {
    let (_dir, blobs) = store();
    let tiff = exif(6);
    let honest = webp_with_exif(two_halves(120, 60), u32::try_from(tiff.len()).unwrap(), &tiff);
    let thumb = thumbnail(&blobs, &honest, 512).await.unwrap().unwrap();
    assert!(!has(&thumb, b"ACM"));
    let thumb = image::load_from_memory(&thumb).unwrap().to_rgb8();
    assert_eq!(thumb.dimensions(), (60, 120));
    assert!(close(*thumb.get_pixel(30, 10), RED));

    let lying = webp_with_exif(two_halves(120, 60), u32::MAX - 1, &tiff);
    let thumb = thumbnail(&blobs, &lying, 512).await.unwrap().unwrap();
    assert_eq!(image::load_from_memory(&thumb).unwrap().dimensions(), (120, 60));
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

/// The most memory that this process ever held, in KiB.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn declared_giants_are_refused_before_they_cost_anything() {
    let (_dir, blobs) = store();
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
        let before = peak();
        let error = thumbnail(&blobs, &bomb, 512).await.unwrap_err();
        assert!(matches!(error, BlobError::NotAnImage(_)), "{name}: {error:?}");
        let grown = peak() - before;
        assert!(grown < 64 * 1024, "{name}: {grown} KiB; the tests beside this one hold a few MiB");
    }
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
