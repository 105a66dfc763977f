//! JPEGs that are scaled while they are decoded.
//!
//! A block of eight by eight pixels is a sum of waves; leaving out the fine ones gives the block at a
//! half, a quarter or an eighth, for less work and far less memory. `image`'s decoder cannot do it,
//! the one that it had before can.

use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};

use crate::Limits;

/// How many of a photo's pixels are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All.
    Full,
    /// So many along the shorter side.
    ShorterSide(u32),
    /// So many along the longer side.
    LongerSide(u32),
    /// One of so many along each side: 1, 2, 4 or 8.
    OneOf(u32),
}

impl Detail {
    /// The greatest scale-down, 1, 2, 4 or 8, that leaves as many pixels as are needed.
    pub(crate) fn reduction(self, width: u32, height: u32) -> u32 {
        let most = match self {
            Self::Full => 1,
            Self::ShorterSide(needed) => width.min(height) / needed.max(1),
            Self::LongerSide(needed) => width.max(height) / needed.max(1),
            Self::OneOf(most) => most,
        };
        [8, 4, 2].into_iter().find(|&reduction| reduction <= most).unwrap_or(1)
    }
}

/// A photo, perhaps scaled down.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The pixels, upright.
    pub image: RgbImage,
    /// Width of the whole photo, upright, in pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// How much larger its sides are than those of `image`: 1, 2, 4 or 8, but for rounding up.
    pub reduction: u32,
}

/// The picture at 1/`reduction`; none where nothing is to be reduced or this decoder cannot do it,
/// as with CMYK.
pub(crate) fn reduced_jpeg(
    bytes: &[u8],
    (width, height): (u32, u32),
    reduction: u32,
    limits: &Limits,
) -> Option<DynamicImage> {
    if reduction == 1 {
        return None;
    }
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(usize::try_from(limits.max_decoded_bytes()).ok()?);
    decoder.read_info().ok()?;
    let format = decoder.info()?.pixel_format;
    let side = |side: u32| u16::try_from(side.div_ceil(reduction)).ok();
    let wanted = (side(width)?, side(height)?);
    if decoder.scale(wanted.0, wanted.1).ok()? != wanted {
        return None;
    }
    let (width, height) = (wanted.0.into(), wanted.1.into());
    match format {
        PixelFormat::L8 => {
            GrayImage::from_raw(width, height, decoder.decode().ok()?).map(Into::into)
        }
        PixelFormat::RGB24 => {
            RgbImage::from_raw(width, height, decoder.decode().ok()?).map(Into::into)
        }
        _ => None,
    }
}
