//! When the faces to come are not like the calibration faces.
//!
//! * [`AdaptiveLevel`]: follows a drift by its misses.
//! * [`Exchangeability`]: raises an alarm when there is one.
//! * [`Shifted`]: corrects for a shift of the faces that is known beforehand.

mod adaptive;
mod martingale;
mod weighted;

pub use adaptive::AdaptiveLevel;
pub use martingale::Exchangeability;
pub use weighted::{DomainClassifier, ShiftError, Shifted, ShiftedInterval};
