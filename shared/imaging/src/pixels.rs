use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};
use sha2::{Digest, Sha256};

use crate::ImagingError;

/// The identity of an image's content: SHA-256 over width, height and samples.
///
/// Files that differ only in name, metadata or lossless encoding share it. Width and height go in
/// as 32-bit little-endian numbers, so that a 2x8 image is not a 4x4 one.
pub fn pixel_hash(image: &RgbImage) -> [u8; 32] {
    Sha256::new()
        .chain_update(image.width().to_le_bytes())
        .chain_update(image.height().to_le_bytes())
        .chain_update(image.as_raw())
        .finalize()
        .into()
}

/// Writes an image as PNG, without loss.
///
/// # Errors
/// [`ImagingError::Encode`] when a side is zero, which PNG cannot express.
pub fn encode_png(image: &RgbImage) -> Result<Vec<u8>, ImagingError> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| ImagingError::Encode(e.to_string()))?;
    Ok(bytes.into_inner())
}

/// Writes an image as JPEG, with a quality of 1 to 100 and no loss of colour resolution. The same
/// pixels always give the same bytes.
///
/// # Errors
/// [`ImagingError::Encode`] when a side is zero or longer than JPEG can express.
pub fn encode_jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, ImagingError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(image)
        .map_err(|e| ImagingError::Encode(e.to_string()))?;
    Ok(bytes)
}
