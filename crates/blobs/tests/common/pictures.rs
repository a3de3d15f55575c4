//! Pictures to draw: honest ones, those of telephones, and traps.

use std::io::Cursor;

use blobs::{BlobError, Blobs};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use super::{get, put};

/// Two colours that survive JPEG.
pub const RED: Rgb<u8> = Rgb([220, 20, 20]);
/// The other one.
pub const BLUE: Rgb<u8> = Rgb([20, 20, 220]);

/// A picture as a file.
pub fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.into().write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// Left half red, right half blue.
pub fn two_halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE })
}

/// EXIF as a telephone writes it: an orientation, a maker, a place.
pub fn exif(orientation: u16) -> Vec<u8> {
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

/// A RIFF chunk.
pub fn chunk(name: &[u8; 4], declared: u32, content: &[u8]) -> Vec<u8> {
    [&name[..], &declared.to_le_bytes(), content].concat()
}

/// An extended WebP file: its image chunk, then an EXIF chunk that declares `declared` bytes.
pub fn webp_with_exif(picture: RgbImage, declared: u32, exif: &[u8]) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    let plain = encode(picture, ImageFormat::WebP);
    let mut header = vec![0x08, 0, 0, 0];
    header.extend(&(width - 1).to_le_bytes()[..3]);
    header.extend(&(height - 1).to_le_bytes()[..3]);
    let body =
        [b"WEBP", &chunk(b"VP8X", 10, &header)[..], &plain[12..], &chunk(b"EXIF", declared, exif)].concat();
    chunk(b"RIFF", u32::try_from(body.len()).unwrap(), &body)
}

/// The checksum of PNG chunks.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// A PNG whose header declares this size, with hardly any data behind it.
pub fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = encode(RgbImage::new(1, 1), ImageFormat::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

/// Uploads a picture and gives back its thumbnail as stored.
pub async fn thumbnail(blobs: &Blobs, source: &[u8], max_edge: u32) -> Result<Option<Vec<u8>>, BlobError> {
    put(blobs, "attach_source", source).await.unwrap();
    let Some(stored) = blobs.make_thumbnail("attach_source", "attach_thumb", max_edge).await? else {
        return Ok(None);
    };
    let bytes = get(blobs, "attach_thumb").await.unwrap();
    assert_eq!(stored.size, bytes.len() as u64);
    assert_eq!(stored.media, blobs::Media::sniff(&bytes));
    Ok(Some(bytes))
}

/// Whether some bytes occur.
pub fn has(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
