//! Nonconformity scores: how far a truth lies from a prediction, one file each.
//!
//! A score file has two functions that belong together: `of(prediction, truth)` and
//! `interval(prediction, threshold)`, the ages whose score is at most the threshold.

mod absolute;
mod sigma;
mod square_root;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Prediction;

pub use sigma::SIGMA_OFFSET;

/// A nonconformity score. The choice does not touch coverage, only how wide intervals are and for
/// whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// |y − ŷ|: the same half-width for every face.
    Absolute,
    /// |y − ŷ| / √(ŷ + 1): wider for older faces. The original study's.
    SquareRoot,
    /// |y − ŷ| / (σ + β): wider where the predictor is unsure. β is [`SIGMA_OFFSET`].
    Sigma,
}

/// A name that is not one of the scores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown score {0:?}: expected one of {names}", names = Score::ALL.map(Score::name).join(", "))]
pub struct UnknownScore(pub String);

impl Score {
    /// Every score, in the order in which tables show them.
    pub const ALL: [Self; 3] = [Self::Absolute, Self::SquareRoot, Self::Sigma];

    /// The score of the true age `truth` (years); the greater, the stranger.
    pub fn of(self, prediction: &Prediction, truth: f64) -> f64 {
        match self {
            Self::Absolute => absolute::of(prediction, truth),
            Self::SquareRoot => square_root::of(prediction, truth),
            Self::Sigma => sigma::of(prediction, truth),
        }
    }

    /// The ends, in years, of the smallest interval that contains every age whose score is at
    /// most `threshold`. Not yet intersected with any support.
    ///
    /// It errs outwards by a few units in the last place: a truth whose score equals the
    /// threshold is inside, however `f64` rounds.
    pub fn interval(self, prediction: &Prediction, threshold: f64) -> (f64, f64) {
        match self {
            Self::Absolute => absolute::interval(prediction, threshold),
            Self::SquareRoot => square_root::interval(prediction, threshold),
            Self::Sigma => sigma::interval(prediction, threshold),
        }
    }

    /// The name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::SquareRoot => "square-root",
            Self::Sigma => "sigma",
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Score {
    type Err = UnknownScore;

    fn from_str(name: &str) -> Result<Self, UnknownScore> {
        Self::ALL
            .into_iter()
            .find(|score| score.name() == name)
            .ok_or_else(|| UnknownScore(name.to_owned()))
    }
}

/// |truth − mean| / scale.
fn normalised(mean: f64, scale: f64, truth: f64) -> f64 {
    (truth - mean).abs() / scale
}

/// mean ± threshold·scale, rounded outwards, so that it undoes [`normalised`].
fn around(mean: f64, scale: f64, threshold: f64) -> (f64, f64) {
    // Difference, quotient and product are each off by half an epsilon at most.
    let radius = threshold * scale * (1.0 + 2.0 * f64::EPSILON);
    ((mean - radius).next_down(), (mean + radius).next_up())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_score() -> impl Strategy<Value = Score> {
        prop::sample::select(Score::ALL.to_vec())
    }

    #[test]
    fn names_are_read_back() {
        for score in Score::ALL {
            assert_eq!(score.to_string().parse(), Ok(score));
        }
        assert!("Absolute".parse::<Score>().is_err());
        let json = serde_json::to_string(&Score::ALL).unwrap();
        assert_eq!(json, r#"["absolute","square_root","sigma"]"#);
    }

    #[test]
    fn an_endless_threshold_is_an_endless_interval() {
        let prediction = Prediction::new(30.0, f64::MAX).unwrap();
        for score in Score::ALL {
            let (lower, upper) = score.interval(&prediction, f64::MAX);
            assert!(lower < -1e300 && upper > 1e300);
        }
    }

    proptest! {
        /// The heart of the guarantee: covered exactly when the score is at most the threshold.
        #[test]
        fn an_interval_holds_the_ages_whose_score_is_at_most_the_threshold(
            score in any_score(),
            mean in 0.0..116.0_f64,
            sigma in 0.0..40.0_f64,
            truth in 0..117_i32,
            threshold in 0.0..20.0_f64,
        ) {
            let prediction = Prediction::new(mean, sigma).unwrap();
            let truth = f64::from(truth);
            let value = score.of(&prediction, truth);

            let (lower, upper) = score.interval(&prediction, value);
            prop_assert!(lower <= truth && truth <= upper, "{truth} not in {lower}..{upper}");

            let (lower, upper) = score.interval(&prediction, threshold);
            prop_assert!(lower <= upper);
            let covered = lower <= truth && truth <= upper;
            if (value - threshold).abs() > 1e-9 {
                prop_assert_eq!(covered, value <= threshold);
            }
        }
    }
}
