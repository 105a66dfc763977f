//! Two sets of images compared: pixel by pixel, or by what a network sees in them.
//!
//! The way of a comparison, in the order of the code:
//!
//! * [`Comparison`]: what is asked for.
//! * [`Set`]: images, read one batch after the other, as often as they are needed, or what an
//!   autoencoder makes of those.
//! * [`Extractor`]: which network looks at them, named so that numbers of two cannot be confused;
//!   `engine` is that network, on the thread that compares.
//! * [`Parts`]: what was seen of a set so far, by whoever has looked.
//! * [`compare`]: the whole calculation. Its formulas are in `agespan-image-metrics`.
//! * [`ImagesReport`]: what was found; [`page`] shows it.
//! * [`Kept`]: what was seen in a reference, for the next time.

mod compare;
mod engine;
mod error;
mod extractor;
mod figures;
pub(crate) mod kept;
mod page;
mod paired;
mod reconstruction;
mod report;
mod seen;
mod set;
mod spec;
#[cfg(test)]
pub(crate) mod tests;

pub use compare::{Before, Compared, compare, look_at_part};
pub use error::CompareError;
pub use extractor::{AGE_BACKBONE, Extractor, ExtractorError, IMAGENET_MOBILENET_V2};
pub use kept::{Kept, KeptError};
pub use page::page;
pub use reconstruction::ReconstructionError;
pub use report::{
    Exclusion, Exclusions, Floor, Frechet, ImageSet, ImagesReport, Infinity, Kernel, Neighbours,
    PairedFigure,
};
pub use seen::{PART, Part, Parts, Seen, Side, Unkept};
pub use set::{Found, Pictures, Set, SetError};
pub use spec::{Comparison, Metric, Place};
