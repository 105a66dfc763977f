//! Images made ready for whoever trains: one size, one buffer.

use agespan_imaging::{self as imaging, ImagingError, Limits};
use bytes::Bytes;

/// Decodes images, crops each to its largest centred square, and resizes that to `side` pixels: bytes of
/// shape `[images, side, side, 3]`.
///
/// # Errors
/// When an image cannot be decoded any more.
pub fn pixels(images: &[Bytes], side: u32) -> Result<Vec<u8>, ImagingError> {
    let mut pixels = Vec::with_capacity(images.len() * bytes_of(side));
    for image in images {
        let image = imaging::decode(image, &Limits::default())?;
        pixels.extend_from_slice(imaging::square(&image, side).as_raw());
    }
    Ok(pixels)
}

/// The length of one prepared image.
pub fn bytes_of(side: u32) -> usize {
    let side = side as usize;
    side * side * 3
}
