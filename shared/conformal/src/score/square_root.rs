//! s(x, y) = |y − ŷ| / √(ŷ + 1), in √years.
//!
//! Interval: ŷ ± q·√(ŷ + 1). The one added year keeps newborns from a scale of zero. Source: the
//! original study, whose intervals grow with the predicted age; a normalised score in the sense of
//! Papadopoulos, Gammerman, Vovk, *Normalized Nonconformity Measures for Regression Conformal
//! Prediction* (2008).

use super::{around, normalised};
use crate::Prediction;

pub(super) fn of(prediction: &Prediction, truth: f64) -> f64 {
    normalised(prediction.mean(), scale(prediction), truth)
}

pub(super) fn interval(prediction: &Prediction, threshold: f64) -> (f64, f64) {
    around(prediction.mean(), scale(prediction), threshold)
}

fn scale(prediction: &Prediction) -> f64 {
    (prediction.mean() + 1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let prediction = Prediction::new(24.0, 3.0).unwrap();
        assert_eq!(of(&prediction, 34.0), 2.0);
        assert_eq!(of(&prediction, 14.0), 2.0);
        let (lower, upper) = interval(&prediction, 2.0);
        assert!((lower - 14.0).abs() < 1e-12 && (upper - 34.0).abs() < 1e-12);
    }

    #[test]
    fn a_newborn_has_a_scale() {
        let prediction = Prediction::new(0.0, 0.0).unwrap();
        assert_eq!(of(&prediction, 2.0), 2.0);
    }
}
