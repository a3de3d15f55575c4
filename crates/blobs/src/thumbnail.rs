//! Thumbnails and avatars: small pictures made of an uploaded image's pixels and nothing else.
//!
//! Uploaded images are hostile until decoded. The size that a header declares is checked before anything of
//! that size is allocated, one image is decoded at a time, and a decoder that panics fails its image alone.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek},
};

use image::{
    DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
    imageops::FilterType, metadata::Orientation,
};

use crate::{
    BlobError, Blobs, Media, Stored,
    store::{Place, found},
    temp::TempFile,
};

/// The largest image that is decoded: the 50 megapixels of today's telephones (8192 × 6144).
const MAX_PIXELS: u64 = 50 << 20;
/// The most memory that a decoded image may take: `MAX_PIXELS` of 8-bit RGBA, fewer of 16-bit.
const MAX_DECODED: u64 = 4 * MAX_PIXELS;
/// The largest file that is decoded, as the JPEG decoder holds it in memory.
const MAX_SOURCE: u64 = 64 << 20;
/// The largest EXIF chunk that is read, as large as JPEG can hold.
const MAX_EXIF: u32 = 64 * 1024;
/// Where artefacts cannot be seen at the size of a thumbnail.
const JPEG_QUALITY: u8 = 85;

impl Blobs {
    /// Draws the image `source_key` with no edge longer than `max_edge` pixels and stores it as `thumb_key`,
    /// upright as its EXIF orientation says and without any metadata: PNG if it has transparent parts, else
    /// JPEG. Smaller images keep their size; of animations it is the first frame.
    ///
    /// `None` if the source is not a JPEG, PNG, GIF or WebP file. Waits for its turn: one at a time.
    ///
    /// # Errors
    /// [`BlobError::NotAnImage`] for a broken image and one over 50 megapixels or 64 MiB,
    /// [`BlobError::Missing`] if there is no source, [`BlobError::BadKey`], [`BlobError::Full`],
    /// [`BlobError::Io`].
    pub async fn make_thumbnail(
        &self,
        source_key: &str,
        thumb_key: &str,
        max_edge: u32,
    ) -> Result<Option<Stored>, BlobError> {
        let source = self.store.path(&Place::of(source_key)?);
        let place = Place::of(thumb_key)?;
        let store = self.store.clone();
        let turn = store.decoding.clone().acquire_owned().await.map_err(io::Error::other)?;
        let drawn = tokio::task::spawn_blocking(move || {
            // Held by the work itself: who stops waiting for it must not let a second one in beside it.
            let _turn = turn;
            let source = found(File::open(source))?.ok_or(BlobError::Missing)?;
            let Some((bytes, media)) = draw(source, max_edge)? else { return Ok(None) };
            let mut temp = TempFile::create(&store)?;
            temp.append(&bytes)?;
            Ok(Some(temp.persist(&store, &place, media)?))
        });
        drawn.await.unwrap_or_else(|error| {
            Err(if error.is_panic() {
                BlobError::NotAnImage("its decoder failed".to_owned())
            } else {
                BlobError::Io(error.into())
            })
        })
    }
}

/// The small picture, encoded.
fn draw(mut source: File, max_edge: u32) -> Result<Option<(Vec<u8>, Media)>, BlobError> {
    let length = source.metadata()?.len();
    let webp_orientation = webp_orientation(&mut source)?;
    let mut reader = ImageReader::new(BufReader::new(source)).with_guessed_format()?;
    let drawable = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP];
    if !reader.format().is_some_and(|format| drawable.contains(&format)) {
        return Ok(None);
    }
    if length > MAX_SOURCE {
        return Err(BlobError::NotAnImage(format!("a file of {length} bytes is not decoded")));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);

    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MAX_PIXELS || decoder.total_bytes() > MAX_DECODED {
        return Err(BlobError::NotAnImage(format!("{width} × {height} pixels are not decoded")));
    }
    // A picture with damaged metadata is still a picture; it is then drawn as it lies.
    let orientation = webp_orientation.map_or_else(|| decoder.orientation().ok(), Some);
    let mut picture = shrink(DynamicImage::from_decoder(decoder).map_err(refused)?, max_edge.max(1));
    picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    encode(&picture).map_err(refused).map(Some)
}

/// The orientation of a WebP file, `None` for other files.
///
/// The decoder's own way would allocate whatever size the EXIF chunk declares, up to 4 GiB, before it looks
/// for the bytes, which kills a small machine.
fn webp_orientation(source: &mut File) -> io::Result<Option<Orientation>> {
    let mut start = [0; 12];
    let complete = found_all(source.read_exact(&mut start))?;
    let upright = match &start {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] if complete => {
            let exif = riff_chunk(&mut BufReader::new(&mut *source), *b"EXIF", MAX_EXIF)?;
            let found = exif.and_then(|exif| Orientation::from_exif_chunk(&exif));
            Some(found.unwrap_or(Orientation::NoTransforms))
        }
        _ => None,
    };
    source.rewind()?;
    Ok(upright)
}

/// The content of the first chunk of this name, `None` if there is none or it is cut off or over `limit`.
fn riff_chunk(
    chunks: &mut BufReader<impl Read + Seek>,
    name: [u8; 4],
    limit: u32,
) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0; 8];
    while found_all(chunks.read_exact(&mut header))? {
        let [a, b, c, d, size @ ..] = header;
        let size = u32::from_le_bytes(size);
        if [a, b, c, d] == name {
            let mut content = Vec::new();
            chunks.take(u64::from(size.min(limit))).read_to_end(&mut content)?;
            return Ok((content.len() as u64 == u64::from(size)).then_some(content));
        }
        chunks.seek_relative(i64::from(size) + i64::from(size % 2))?;
    }
    Ok(None)
}

/// Whether there was as much to read as wanted.
fn found_all(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Averages down to twice the size first, which is cheap for any input, then filters well.
fn shrink(picture: DynamicImage, max_edge: u32) -> DynamicImage {
    let longest = picture.width().max(picture.height());
    let twice = max_edge.saturating_mul(2);
    let picture = if longest > twice { picture.thumbnail(twice, twice) } else { picture };
    if longest > max_edge { picture.resize(max_edge, max_edge, FilterType::CatmullRom) } else { picture }
}

/// Encodes pixels alone: the encoders write no metadata that they are not given.
fn encode(picture: &DynamicImage) -> Result<(Vec<u8>, Media), ImageError> {
    let mut out = Vec::new();
    let transparent = picture.color().has_alpha() && picture.to_rgba8().pixels().any(|p| p.0[3] < u8::MAX);
    if transparent {
        picture.to_rgba8().write_to(&mut Cursor::new(&mut out), ImageFormat::Png)?;
    } else {
        picture.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY))?;
    }
    let media = Media::sniff(&out);
    Ok((out, media))
}

/// Tells a broken picture from a broken disk.
fn refused(error: ImageError) -> BlobError {
    match error {
        ImageError::IoError(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            ) =>
        {
            error.into()
        }
        other => BlobError::NotAnImage(other.to_string()),
    }
}
