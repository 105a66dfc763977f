//! s(x, y) = |y − ŷ| / (σ + β), without unit.
//!
//! Interval: ŷ ± q·(σ + β), with σ the standard deviation of the predicted distribution. Source:
//! Lei et al., *Distribution-Free Predictive Inference for Regression* (2018), section 5.2
//! (locally weighted); the offset as in Papadopoulos and Haralambous, *Reliable Prediction
//! Intervals with Regression Neural Networks* (2011).

use super::{around, normalised};
use crate::Prediction;

/// β in years, added to σ. Without it a predictor that is sure (σ = 0) has infinite scores and
/// intervals without width. Half a year is the resolution of a truth in completed years: below it
/// a small σ says nothing. Part of the score: another value makes another score.
pub const SIGMA_OFFSET: f64 = 0.5;

pub(super) fn of(prediction: &Prediction, truth: f64) -> f64 {
    normalised(prediction.mean(), scale(prediction), truth)
}

pub(super) fn interval(prediction: &Prediction, threshold: f64) -> (f64, f64) {
    around(prediction.mean(), scale(prediction), threshold)
}

fn scale(prediction: &Prediction) -> f64 {
    prediction.sigma() + SIGMA_OFFSET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let prediction = Prediction::new(24.0, 3.5).unwrap();
        assert_eq!(of(&prediction, 34.0), 2.5);
        assert_eq!(of(&prediction, 14.0), 2.5);
        let (lower, upper) = interval(&prediction, 2.5);
        assert!((lower - 14.0).abs() < 1e-12 && (upper - 34.0).abs() < 1e-12);
    }

    #[test]
    fn a_sure_prediction_has_a_finite_score() {
        let prediction = Prediction::new(24.0, 0.0).unwrap();
        assert_eq!(of(&prediction, 25.0), 2.0);
    }
}
