use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use crate::reduced::{Detail, Photo, reduced_jpeg};
use crate::{ImagingError, Limits, whole};

/// The most that reading a PNG may take besides its pixels: as much as the longest file.
const MAX_PNG_BUFFERS: u64 = 16 << 20;

/// Decodes a JPEG, PNG or WebP of unknown origin to upright 8-bit RGB.
///
/// The format is read from the content. EXIF orientation is applied, 16-bit samples are scaled to
/// 8, gray is repeated in three channels, CMYK is converted, the first frame stands for an
/// animation. Transparency is composited over white: a cut-out portrait then looks like a passport
/// photo, while the colours hidden below fully transparent pixels are arbitrary. Colour profiles
/// are not applied.
///
/// # Errors
/// An [`ImagingError`] for everything that is not a whole image within `limits`. A panic inside a
/// decoder becomes [`ImagingError::Corrupt`]; a process built with `panic = "abort"` would lose
/// that protection.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, ImagingError> {
    Ok(decode_reduced(bytes, limits, Detail::Full)?.image)
}

/// The same for somebody who needs less than all of a photo: a JPEG is scaled to a half, a quarter
/// or an eighth while it is decoded, as far as `detail` allows. That takes a sixteenth of the memory
/// and half of the time at a quarter. Everything else, and a JPEG that is no larger than needed,
/// comes in full, pixel by pixel as from [`decode`].
///
/// # Errors
/// Those of [`decode`].
pub fn decode_reduced(
    bytes: &[u8],
    limits: &Limits,
    detail: Detail,
) -> Result<Photo, ImagingError> {
    // The closure only reads its captures, so a panic cannot leave them half changed.
    catch_unwind(AssertUnwindSafe(|| decode_unguarded(bytes, limits, detail)))
        .unwrap_or_else(|_| Err(ImagingError::Corrupt("the decoder failed".into())))
}

fn decode_unguarded(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Photo, ImagingError> {
    check_length(bytes, limits)?;
    let format = sniff(bytes)?;
    let mut decoder = open(bytes, format, limits)?;
    check_dimensions(&decoder, limits)?;
    whole::check(bytes, format)?;
    // Damaged metadata is no reason to refuse pixels that are in order.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (mut width, mut height) = decoder.dimensions();
    let wanted = if format == ImageFormat::Jpeg { detail.reduction(width, height) } else { 1 };
    // What the one decoder cannot scale, the other decodes in full.
    let scaled = reduced_jpeg(bytes, (width, height), wanted, limits);
    let reduction = if scaled.is_some() { wanted } else { 1 };
    let mut image = match scaled {
        Some(image) => image,
        None => DynamicImage::from_decoder(decoder).map_err(refused)?,
    };
    image.apply_orientation(orientation);
    if lies_on_its_side(orientation) {
        std::mem::swap(&mut width, &mut height);
    }
    Ok(Photo { image: over_white(image), width, height, reduction })
}

fn lies_on_its_side(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

fn check_length(bytes: &[u8], limits: &Limits) -> Result<(), ImagingError> {
    if bytes.is_empty() {
        return Err(ImagingError::Empty);
    }
    if bytes.len() > limits.max_bytes {
        return Err(ImagingError::TooLarge { bytes: bytes.len(), limit: limits.max_bytes });
    }
    Ok(())
}

fn sniff(bytes: &[u8]) -> Result<ImageFormat, ImagingError> {
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => Ok(format),
        _ => Err(ImagingError::UnknownFormat),
    }
}

fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    limits: &Limits,
) -> Result<impl ImageDecoder + 'a, ImagingError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Sides are left open here: the check that follows names the numbers, the decoder's does not.
    let mut memory = image::Limits::no_limits();
    memory.max_alloc = Some(match format {
        // This decoder needs some rows. The rest would go to a colour profile, which is not used and
        // inflates a thousandfold.
        ImageFormat::Png => limits.max_decoded_bytes().min(MAX_PNG_BUFFERS),
        _ => limits.max_decoded_bytes(),
    });
    reader.limits(memory);
    reader.into_decoder().map_err(refused)
}

fn check_dimensions(decoder: &impl ImageDecoder, limits: &Limits) -> Result<(), ImagingError> {
    let (width, height) = decoder.dimensions();
    let too_many = u64::from(width) * u64::from(height) > limits.max_pixels;
    let too_heavy = decoder.total_bytes() > limits.max_decoded_bytes();
    if width.max(height) > limits.max_side || too_many || too_heavy {
        return Err(ImagingError::Dimensions {
            width,
            height,
            max_side: limits.max_side,
            max_pixels: limits.max_pixels,
        });
    }
    if width.min(height) < limits.min_side {
        return Err(ImagingError::TooSmall { width, height, min_side: limits.min_side });
    }
    Ok(())
}

fn refused(error: ImageError) -> ImagingError {
    match &error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImagingError::Truncated
        }
        _ => ImagingError::Corrupt(error.to_string()),
    }
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0;
        to.0 = [r, g, b].map(|channel| blend_with_white(channel, alpha));
    }
    rgb
}

fn blend_with_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    // Rounded to nearest; at most 255, so the cast loses nothing.
    ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
