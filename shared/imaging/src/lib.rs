//! Images from strangers, made safe and made equal.
//!
//! Everything that reads a photo goes through this crate, so that training, calibration and
//! serving see the same pixels for the same bytes. The major parts are:
//!
//! * [`decode`]: bytes of unknown origin to upright 8-bit RGB, under [`Limits`] that are checked
//!   from the header before anything of the image's size is allocated;
//! * [`ImagingError`]: why an image was refused and what its owner can do about it;
//! * [`square`]: the one way a network's input is cropped and resized;
//! * [`pixel_hash`], [`encode_png`] and [`encode_jpeg`]: the identity of pixels, and ways to keep
//!   them, without loss and small.
//!
//! The crate is synchronous and knows nothing of networks: callers decide on which thread the
//! work is done.

mod decode;
mod error;
mod limits;
mod pixels;
mod square;
mod whole;

pub use decode::decode;
pub use error::ImagingError;
pub use image::RgbImage;
pub use limits::Limits;
pub use pixels::{encode_jpeg, encode_png, pixel_hash};
pub use square::square;
