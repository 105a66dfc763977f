//! What a predictor says about one face.

use std::fmt;
use std::sync::Arc;

/// How far the sum of a distribution may be from 1: `f32` softmax outputs are off by a little,
/// logits and percentages by a lot.
const SUM_TOLERANCE: f64 = 1e-3;

/// The point prediction for one face, how spread out it is, and what groups may ask about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    mean: f64,
    sigma: f64,
    pub(crate) distribution: Option<Arc<[f64]>>,
    female: Option<bool>,
    pub(crate) label: Option<Arc<str>>,
}

/// A part of a prediction that some scores and groupings need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The probabilities of all ages.
    Distribution,
    /// The predicted gender.
    Gender,
    /// The caller's own label.
    Label,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Distribution => "distribution",
            Self::Gender => "gender",
            Self::Label => "group",
        })
    }
}

/// Why something is not a prediction.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PredictionError {
    /// The mean is not a finite age of at least 0 years.
    #[error("a predicted age must be finite and at least 0 years, got {0}")]
    Mean(f64),
    /// The standard deviation is not a finite number of at least 0.
    #[error("the sigma of a prediction must be finite and at least 0 years, got {0}")]
    Sigma(f64),
    /// A distribution without a single probability.
    #[error("the age distribution is empty")]
    Empty,
    /// A probability that is NaN, infinite or negative.
    #[error("the probability of age {age} must be finite and at least 0, got {probability}")]
    Probability {
        /// The age in years, which is the index into the distribution.
        age: usize,
        /// What stood there.
        probability: f64,
    },
    /// The probabilities do not add up to 1 within a thousandth.
    #[error("the age distribution sums to {0}, not to 1 (are these logits or percentages?)")]
    Sum(f64),
}

impl Prediction {
    /// A point prediction `mean` and its standard deviation `sigma`, both in years. A predictor
    /// without a spread says 0.
    ///
    /// # Errors
    ///
    /// [`PredictionError::Mean`] or [`PredictionError::Sigma`] for what is not finite or is
    /// negative.
    #[inline]
    pub fn new(mean: f64, sigma: f64) -> Result<Self, PredictionError> {
        if !(mean >= 0.0 && mean.is_finite()) {
            return Err(PredictionError::Mean(mean));
        }
        if !(sigma >= 0.0 && sigma.is_finite()) {
            return Err(PredictionError::Sigma(sigma));
        }
        Ok(Self { mean, sigma, distribution: None, female: None, label: None })
    }

    /// The mean ŷ = Σ j·p_j and the standard deviation σ = √(Σ p_j (j − ŷ)²) of a distribution
    /// over the completed years j = 0, 1, 2, …; p is divided by its sum first.
    ///
    /// # Errors
    ///
    /// [`PredictionError::Empty`], [`PredictionError::Probability`] with the age it stands at, or
    /// [`PredictionError::Sum`] when the sum is further than 1e-3 from 1.
    pub fn from_distribution(probabilities: &[f64]) -> Result<Self, PredictionError> {
        if probabilities.is_empty() {
            return Err(PredictionError::Empty);
        }
        for (age, &probability) in probabilities.iter().enumerate() {
            if !(probability >= 0.0 && probability.is_finite()) {
                return Err(PredictionError::Probability { age, probability });
            }
        }
        let sum: f64 = probabilities.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(PredictionError::Sum(sum));
        }
        let expectation = |f: &dyn Fn(f64) -> f64| -> f64 {
            let terms = probabilities.iter().enumerate();
            terms.map(|(age, p)| p * f(age as f64)).sum::<f64>() / sum
        };
        // Rounding must not carry the mean of a sure prediction beyond the last age.
        let mean = expectation(&|age| age).min((probabilities.len() - 1) as f64);
        let sigma = expectation(&|age| (age - mean).powi(2)).sqrt();
        let distribution = probabilities.iter().map(|p| p / sum).collect();
        Ok(Self { distribution: Some(distribution), ..Self::new(mean, sigma)? })
    }

    /// With the predicted gender, for groupings that ask for it.
    #[must_use]
    pub fn with_gender(self, female: bool) -> Self {
        Self { female: Some(female), ..self }
    }

    /// With a label of the caller's own, for [`Grouping::Label`](crate::Grouping::Label).
    #[must_use]
    pub fn with_label(self, label: impl Into<Arc<str>>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// The predicted age ŷ in years.
    #[inline]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation σ of the predicted distribution, in years.
    #[inline]
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// The probabilities of the completed years 0, 1, 2, …, which sum to 1, where they are known.
    /// The last may stand for all older ages.
    pub fn distribution(&self) -> Option<&[f64]> {
        self.distribution.as_deref()
    }

    /// The predicted gender, where it is known.
    pub fn female(&self) -> Option<bool> {
        self.female
    }

    /// The caller's label, where there is one.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_moments_of_a_distribution() {
        let prediction = Prediction::from_distribution(&[0.0, 0.25, 0.5, 0.0, 0.25]).unwrap();
        assert_eq!(prediction.mean(), 2.25);
        // 0.25·1.25² + 0.5·0.25² + 0.25·1.75²
        assert!((prediction.sigma() - 1.1875_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_sum_that_is_nearly_one_is_divided_out() {
        let prediction = Prediction::from_distribution(&[0.0, 0.4996, 0.4996]).unwrap();
        assert!((prediction.mean() - 1.5).abs() < 1e-15);
        assert!((prediction.sigma() - 0.5).abs() < 1e-15);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        use PredictionError::{Empty, Probability, Sum};
        let refuse = |p: &[f64]| Prediction::from_distribution(p).unwrap_err();
        assert_eq!(refuse(&[]), Empty);
        assert!(matches!(refuse(&[0.0; 117]), Sum(_)));
        assert!(matches!(refuse(&[0.5, 0.498]), Sum(_)));
        assert!(matches!(refuse(&[0.5, 0.502]), Sum(_)));
        assert!(matches!(refuse(&[f64::MAX, f64::MAX]), Sum(_)));
        assert!(matches!(refuse(&[1.1, -0.1]), Probability { age: 1, .. }));
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(matches!(refuse(&[bad, 1.0]), Probability { age: 0, .. }));
        }
    }

    #[test]
    fn what_is_no_prediction_is_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            let mean = Prediction::new(bad, 1.0).unwrap_err();
            assert!(matches!(mean, PredictionError::Mean(_)));
            let sigma = Prediction::new(1.0, bad).unwrap_err();
            assert!(matches!(sigma, PredictionError::Sigma(_)));
        }
        assert!(Prediction::new(0.0, 0.0).is_ok());
    }

    proptest! {
        #[test]
        fn the_mean_is_one_of_the_ages(weights in prop::collection::vec(0.0..1.0_f64, 1..130)) {
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 1e-6);
            let p: Vec<f64> = weights.iter().map(|w| w / total * 1.0009).collect();
            let prediction = Prediction::from_distribution(&p).unwrap();
            let last = (p.len() - 1) as f64;
            prop_assert!((0.0..=last).contains(&prediction.mean()));
            // Popoviciu: no distribution on [0, last] is wider than half of it.
            prop_assert!(prediction.sigma() <= last / 2.0 + 1e-9);
        }

        #[test]
        fn a_sure_prediction_is_that_age(age in 0..117_usize, mass in 0.9991..1.0009_f64) {
            let mut p = vec![0.0; 117];
            p[age] = mass;
            let prediction = Prediction::from_distribution(&p).unwrap();
            prop_assert!((prediction.mean() - age as f64).abs() < 1e-12);
            prop_assert!(prediction.mean() <= 116.0);
            prop_assert!(prediction.sigma() < 1e-9);
        }
    }
}
