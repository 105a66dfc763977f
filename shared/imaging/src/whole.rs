//! Does the file reach the image's end?
//!
//! The JPEG decoder paints what is missing grey and reports success, which would hand a network
//! half a face and a half of nothing. The WebP decoder reads missing entropy-coded data as zeros.
//! Both formats say where they end, so that is checked here. PNG needs no help: its decoder asks
//! for every row.

use image::ImageFormat;

use crate::ImagingError;

/// The most passes over a JPEG's blocks: what one of the two decoders allows by itself. A few bytes can
/// ask for one more pass over millions, so that a small file would keep a decoder busy for minutes;
/// cameras and encoders make ten.
const MAX_SCANS: usize = 100;

/// Checks that a file reaches its image's end, and that a JPEG asks for no more passes than is decent.
pub(crate) fn check(bytes: &[u8], format: ImageFormat) -> Result<(), ImagingError> {
    let (is_whole, scans) = match format {
        ImageFormat::Jpeg => walk_jpeg(bytes),
        ImageFormat::WebP => (webp_reaches_its_end(bytes), 0),
        _ => (true, 0),
    };
    if !is_whole {
        return Err(ImagingError::Truncated);
    }
    if scans > MAX_SCANS {
        return Err(ImagingError::Corrupt(format!("it has more than {MAX_SCANS} scans")));
    }
    Ok(())
}

/// Walks segments and scans up to the end-of-image marker. Says whether there is one, and how many
/// scans.
///
/// Looking for the marker's two bytes alone would be fooled by the thumbnail that cameras put
/// into the EXIF segment; looking at the file's last two bytes would refuse the many photos with
/// something appended.
fn walk_jpeg(bytes: &[u8]) -> (bool, usize) {
    let mut scans = 0;
    let mut at = 2; // past the start-of-image marker
    while let Some((marker, after)) = next_marker(bytes, at) {
        scans += usize::from(marker == START_OF_SCAN);
        match marker {
            END_OF_IMAGE => return (true, scans),
            // Markers without a segment; in a scan they belong to the entropy-coded data.
            0x01 | 0xD0..=0xD8 => at = after,
            _ => match segment_end(bytes, after) {
                Some(end) => at = end,
                None => break,
            },
        }
    }
    (false, scans)
}

const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;

/// The next marker at or after `from`, and where it ends. Entropy-coded data is passed over: in
/// it a stuffed zero follows each 0xFF that is no marker.
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == 0xFF)?;
        match *bytes.get(at + 1)? {
            0x00 => at += 2,
            0xFF => at += 1, // a fill byte before the marker
            marker => return Some((marker, at + 2)),
        }
    }
}

fn segment_end(bytes: &[u8], at: usize) -> Option<usize> {
    let length = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    let end = at + usize::from(length);
    (length >= 2 && end <= bytes.len()).then_some(end)
}

/// The RIFF header holds the length of everything after its first eight bytes.
fn webp_reaches_its_end(bytes: &[u8]) -> bool {
    let Some(&[a, b, c, d]) = bytes.get(4..8) else {
        return false;
    };
    u64::from(u32::from_le_bytes([a, b, c, d])) + 8 <= bytes.len() as u64
}
