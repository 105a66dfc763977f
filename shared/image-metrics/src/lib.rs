//! How like two images, or two sets of images, are. Numbers only: no files, no networks.
//!
//! Two images of one size, pair by pair:
//!
//! * [`Picture`]: the pixels that are compared.
//! * [`mean_squared_error`], [`peak_signal_to_noise`], [`structural_similarity`].
//!
//! Two sets, by what a network sees in them:
//!
//! * [`Features`]: a row for each image; [`Reservoir`]: as many rows of a long stream as are kept.
//! * [`Moments`]: mean and covariance of a stream of rows, whatever its length.
//! * [`frechet_distance`] (FID), [`extrapolate`] (FID∞), [`kernel_distance`] (KID),
//!   [`precision_recall`].
//!
//! One metric, one file, with its formula and source on top. The same numbers give the same result;
//! [`MetricError`] says why there is none.

mod error;
mod extrapolated;
mod features;
mod frechet;
mod kernel_distance;
mod mean_squared_error;
mod moments;
mod picture;
mod precision_recall;
mod products;
mod reservoir;
mod signal_to_noise;
mod structural_similarity;

pub use error::MetricError;
pub use extrapolated::{Extrapolated, extrapolate};
pub use features::Features;
pub use frechet::{Gaussian, Spread, frechet_distance};
pub use kernel_distance::{KernelDistance, Subsets, kernel_distance, squared_mean_discrepancy};
pub use mean_squared_error::mean_squared_error;
pub use moments::Moments;
pub use picture::Picture;
pub use precision_recall::{PrecisionRecall, precision_recall};
pub use reservoir::Reservoir;
pub use signal_to_noise::peak_signal_to_noise;
pub use structural_similarity::{WINDOW, structural_similarity};
