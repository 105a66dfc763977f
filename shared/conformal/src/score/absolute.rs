//! s(x, y) = |y − ŷ|, in years.
//!
//! Interval: ŷ ± q. Source: Lei et al., *Distribution-Free Predictive Inference for Regression*
//! (2018), section 2.2.

use super::{around, normalised};
use crate::Prediction;

#[inline]
pub(super) fn of(prediction: &Prediction, truth: f64) -> f64 {
    normalised(prediction.mean(), 1.0, truth)
}

#[inline]
pub(super) fn interval(prediction: &Prediction, threshold: f64) -> (f64, f64) {
    around(prediction.mean(), 1.0, threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let prediction = Prediction::new(24.0, 3.0).unwrap();
        assert_eq!(of(&prediction, 34.0), 10.0);
        assert_eq!(of(&prediction, 14.0), 10.0);
        let (lower, upper) = interval(&prediction, 10.0);
        assert!((lower - 14.0).abs() < 1e-12 && (upper - 34.0).abs() < 1e-12);
    }
}
