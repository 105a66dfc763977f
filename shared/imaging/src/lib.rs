//! Images from strangers, made safe and made equal.
//!
//! Everything that reads a photo goes through this crate, so that training, calibration and
//! serving see the same pixels for the same bytes. The major parts are:
//!
//! * [`source`]: the files of a directory, a zip or a tar, one at a time;
//! * [`decode`]: bytes of unknown origin to upright 8-bit RGB, under [`Limits`] that are checked
//!   from the header before anything of the image's size is allocated;
//! * [`decode_reduced`]: the same for somebody who needs fewer pixels than a photo has;
//! * [`ImagingError`]: why an image was refused and what its owner can do about it;
//! * [`square`]: the one way a network's input is cropped and resized;
//! * [`bicubic`]: resizing to the bit as Pillow does it, for networks that were trained on that;
//! * [`bicubic_unrounded`]: the same without rounding, as clean-fid does it;
//! * [`fit`]: a smaller copy; [`Similarity`] and [`cut`]: a part that is turned, scaled and moved;
//! * [`pixel_hash`], [`encode_png`] and [`encode_jpeg`]: the identity of pixels, and ways to keep
//!   them, without loss and small.
//!
//! The crate is synchronous and knows nothing of networks: callers decide on which thread the
//! work is done.

mod bicubic;
mod bicubic_unrounded;
mod decode;
mod error;
mod limits;
mod pixels;
mod reduced;
mod resize;
mod similarity;
pub mod source;
mod square;
mod whole;

pub use bicubic::bicubic;
pub use bicubic_unrounded::bicubic_unrounded;
pub use decode::{decode, decode_reduced};
pub use error::ImagingError;
pub use image::RgbImage;
pub use limits::Limits;
pub use pixels::{encode_jpeg, encode_png, pixel_hash};
pub use reduced::{Detail, Photo};
pub use resize::fit;
pub use similarity::{Point, Similarity, cut};
pub use square::square;
