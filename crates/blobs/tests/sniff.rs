//! Types are told from bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::io::Cursor;

use blobs::{Media, MediaClass};
use common::{put, store};
use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(3, 2).write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// An ISO base media file: its brand, the brands it is compatible with, then other boxes.
fn iso(brand: &[u8; 4], compatible: &[&[u8; 4]], boxes: &[u8]) -> Vec<u8> {
    let size = u8::try_from(16 + 4 * compatible.len()).unwrap();
    let mut out = vec![0, 0, 0, size];
    out.extend(b"ftyp");
    out.extend(brand);
    out.extend([0; 4]);
    compatible.iter().for_each(|brand| out.extend(*brand));
    out.extend(boxes);
    out
}

/// A handler box of a track, `soun` or `vide`.
fn handler(kind: &[u8; 4]) -> Vec<u8> {
    [b"\0\0\0\x20hdlr\0\0\0\0\0\0\0\0", &kind[..], &[0; 12]].concat()
}

/// A Matroska file with one track per codec.
fn matroska(kind: &[u8], codecs: &[&str]) -> Vec<u8> {
    let mut out = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82".to_vec();
    out.push(0x80 | u8::try_from(kind.len()).unwrap());
    out.extend(kind);
    for codec in codecs {
        out.push(0x86);
        out.push(0x80 | u8::try_from(codec.len()).unwrap());
        out.extend(codec.as_bytes());
    }
    out.resize(400, 0);
    out
}

fn ogg(codec: &[u8]) -> Vec<u8> {
    let mut out = b"OggS\0\x02".to_vec();
    out.resize(28, 0);
    out.extend(codec);
    out.resize(64, 0);
    out
}

#[test]
fn the_table() {
    use MediaClass::{Audio, Image, Other, Video};
    let unknown = "application/octet-stream";
    for (name, bytes, mime, class) in [
        ("jpeg", picture(ImageFormat::Jpeg), "image/jpeg", Image),
        ("png", picture(ImageFormat::Png), "image/png", Image),
        ("gif", picture(ImageFormat::Gif), "image/gif", Image),
        ("webp", picture(ImageFormat::WebP), "image/webp", Image),
        ("heic of an iPhone", iso(b"heic", &[b"mif1", b"heic"], b""), "image/heif", Image),
        ("heic, generic brand", iso(b"mif1", &[b"mif1", b"heic"], b""), "image/heif", Image),
        ("avif", iso(b"avif", &[b"avif", b"mif1"], b""), "image/avif", Image),
        ("mp3 with tags", b"ID3\x04\0\0\0\0\0\0".to_vec(), "audio/mpeg", Audio),
        ("mp3 without", b"\xff\xfb\x90\x64\0\0\0\0".to_vec(), "audio/mpeg", Audio),
        ("ogg vorbis", ogg(b"\x01vorbis"), "audio/ogg", Audio),
        ("ogg opus", ogg(b"OpusHead"), "audio/ogg", Audio),
        ("ogg theora", ogg(b"\x80theora"), "video/ogg", Video),
        ("wav", b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), "audio/wav", Audio),
        ("flac", b"fLaC\0\0\0\x22".to_vec(), "audio/flac", Audio),
        ("m4a", iso(b"M4A ", &[b"isom"], b""), "audio/mp4", Audio),
        ("audio book", iso(b"M4B ", &[b"isom"], b""), "audio/mp4", Audio),
        ("aac", b"\xff\xf1\x50\x80\x02\x1f\xfc".to_vec(), "audio/aac", Audio),
        ("amr", b"#!AMR\n\x3c\x91\x17\x16\xbe\x66".to_vec(), "audio/amr", Audio),
        ("webm voice of Chrome", matroska(b"webm", &["A_OPUS"]), "audio/webm", Audio),
        ("webm video", matroska(b"webm", &["V_VP8", "A_OPUS"]), "video/webm", Video),
        ("webm silent video", matroska(b"webm", &["V_AV1"]), "video/webm", Video),
        ("mkv", matroska(b"matroska", &["A_AAC"]), "video/x-matroska", Video),
        ("mp4", iso(b"isom", &[b"mp41"], b""), "video/mp4", Video),
        ("mp4 of a telephone", iso(b"mp42", &[b"isom"], &handler(b"vide")), "video/mp4", Video),
        (
            "mp4 with sound",
            iso(b"mp42", &[], &[handler(b"soun"), handler(b"vide")].concat()),
            "video/mp4",
            Video,
        ),
        ("mp4 voice of Safari", iso(b"iso5", &[b"isom"], &handler(b"soun")), "audio/mp4", Audio),
        ("newer mp4", iso(b"iso8", &[], b""), "video/mp4", Video),
        ("3gp", iso(b"3gp5", &[], b""), "video/3gpp", Video),
        ("mov", iso(b"qt  ", &[], b""), "video/quicktime", Video),
        ("pdf", b"%PDF-1.7\n%\xe2\xe3".to_vec(), "application/pdf", Other),
        ("zip", b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(), "application/zip", Other),
        ("html", b"<!DOCTYPE html><script>alert(1)</script>".to_vec(), "text/html", Other),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(), unknown, Other),
        ("xml", b"<?xml version='1.0'?><svg/>".to_vec(), "text/xml", Other),
        ("photoshop", b"8BPS\0\x01\0\0\0\0\0\0".to_vec(), "image/vnd.adobe.photoshop", Other),
        ("text", b"Dear me, ten years on".to_vec(), unknown, Other),
        ("nothing", Vec::new(), unknown, Other),
    ] {
        assert_eq!(Media::sniff(&bytes), Media { mime, class }, "{name}");
    }
}

#[tokio::test]
async fn the_same_while_writing_and_when_stored() {
    let (_dir, blobs) = store();
    let png = picture(ImageFormat::Png);
    let mut writer = blobs.writer(u64::MAX);
    assert_eq!(writer.sniff().mime, "application/octet-stream");
    // Byte by byte: the head is put together from any chunks.
    for byte in &png {
        writer.write(vec![*byte].into()).await.unwrap();
    }
    assert_eq!(writer.sniff().mime, "image/png");
    assert_eq!(writer.finish("attach_png").await.unwrap().media.mime, "image/png");
    let html = put(&blobs, "attach_cat_jpg", b"<html><body>I am a cat.jpg").await.unwrap();
    assert_eq!((html.media.mime, html.media.class), ("text/html", MediaClass::Other));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_a_type(
        magic in prop::sample::select(vec![
            "RIFF", "\0\0\0\x18ftyp", "OggS", "PK\x03\x04", "\x1aE", "<", "", "II*\0", "%PDF", "GIF8", "ID3",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let media = Media::sniff(&[magic.as_bytes(), &rest].concat());
        prop_assert!(media.mime.contains('/'));
    }
}
