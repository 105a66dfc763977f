//! Nonconformity scores: how far a truth lies from a prediction, one file each.
//!
//! A score file has two functions that belong together: `of(prediction, truth)` and
//! `interval(prediction, threshold)`, the ages whose score is at most the threshold.

mod absolute;
mod quantile;
mod shortest_window;
mod sigma;
mod square_root;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Part, Prediction};

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
    /// max(q₁₀ − y, y − q₉₀): asymmetric. Needs the distribution.
    Quantile,
    /// The mass of the shortest window of whole years that holds y: asymmetric, narrowest here.
    /// Needs the distribution.
    ShortestWindow,
}

/// A name that is not one of the scores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown score {0:?}: expected one of {names}", names = Score::ALL.map(Score::name).join(", "))]
pub struct UnknownScore(pub String);

impl Score {
    /// Every score, in the order in which tables show them.
    pub const ALL: [Self; 5] =
        [Self::Absolute, Self::SquareRoot, Self::Sigma, Self::Quantile, Self::ShortestWindow];

    /// What it needs beyond a mean and a sigma.
    #[inline]
    pub fn needs(self) -> Option<Part> {
        match self {
            Self::Absolute | Self::SquareRoot | Self::Sigma => None,
            Self::Quantile | Self::ShortestWindow => Some(Part::Distribution),
        }
    }

    /// The score of the true age `truth` (years); the greater, the stranger. Infinite where the
    /// prediction lacks what the score [`needs`](Self::needs).
    #[inline]
    pub fn of(self, prediction: &Prediction, truth: f64) -> f64 {
        match self {
            Self::Absolute => absolute::of(prediction, truth),
            Self::SquareRoot => square_root::of(prediction, truth),
            Self::Sigma => sigma::of(prediction, truth),
            Self::Quantile => quantile::of(prediction, truth),
            Self::ShortestWindow => shortest_window::of(prediction, truth),
        }
    }

    /// Of the ages from `lower` to `upper` the one with the greatest score: a truth that is known as
    /// a range only is covered wherever this one is. The ages below any threshold are one interval,
    /// so that it is one of the ends.
    pub fn worst(self, prediction: &Prediction, lower: f64, upper: f64) -> f64 {
        let is_lower = self.of(prediction, lower) > self.of(prediction, upper);
        if is_lower { lower } else { upper }
    }

    /// The ends, in years, of the smallest interval that contains every age whose score is at
    /// most `threshold`. Not yet intersected with any support.
    ///
    /// It errs outwards by a few units in the last place: a truth whose score equals the
    /// threshold is inside, however `f64` rounds.
    #[inline]
    pub fn interval(self, prediction: &Prediction, threshold: f64) -> (f64, f64) {
        match self {
            Self::Absolute => absolute::interval(prediction, threshold),
            Self::SquareRoot => square_root::interval(prediction, threshold),
            Self::Sigma => sigma::interval(prediction, threshold),
            Self::Quantile => quantile::interval(prediction, threshold),
            Self::ShortestWindow => shortest_window::interval(prediction, threshold),
        }
    }

    /// The name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::SquareRoot => "square-root",
            Self::Sigma => "sigma",
            Self::Quantile => "quantile",
            Self::ShortestWindow => "shortest-window",
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
#[inline]
fn normalised(mean: f64, scale: f64, truth: f64) -> f64 {
    (truth - mean).abs() / scale
}

/// mean ± threshold·scale, rounded outwards, so that it undoes [`normalised`].
#[inline]
fn around(mean: f64, scale: f64, threshold: f64) -> (f64, f64) {
    // Difference, quotient and product are each off by half an epsilon at most.
    let radius = threshold * scale * (1.0 + 2.0 * f64::EPSILON);
    let (lower, upper) = (mean - radius, mean + radius);
    // An end is off by half a place, and its epsilon is a place or two.
    (lower - lower.abs() * f64::EPSILON, upper + upper.abs() * f64::EPSILON)
}

/// lower − threshold to upper + threshold, rounded outwards.
fn outwards(lower: f64, upper: f64, threshold: f64) -> (f64, f64) {
    // The difference that made the threshold and the sum here are each off by half a place of
    // the greatest number in them.
    let margin = |end: f64| (end.abs() + threshold.abs()) * f64::EPSILON;
    ((lower - threshold) - margin(lower), (upper + threshold) + margin(upper))
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
        let names = r#"["absolute","square_root","sigma","quantile","shortest_window"]"#;
        assert_eq!(json, names);
    }

    #[test]
    fn an_endless_threshold_is_an_endless_interval() {
        let prediction = Prediction::new(30.0, f64::MAX).unwrap();
        for score in Score::ALL {
            let (lower, upper) = score.interval(&prediction, f64::MAX);
            assert!(lower < -1e300 && upper > 1e300);
        }
    }

    #[test]
    fn without_its_distribution_nothing_is_inside_and_nothing_is_left_out() {
        let prediction = Prediction::new(30.0, 4.0).unwrap();
        for score in Score::ALL.into_iter().filter(|score| score.needs().is_some()) {
            assert_eq!(score.of(&prediction, 30.0), f64::INFINITY);
            assert_eq!(score.interval(&prediction, 0.5), (f64::NEG_INFINITY, f64::INFINITY));
        }
    }

    /// One or two peaks, wide or narrow, on as many bins as there are ages.
    fn any_prediction() -> impl Strategy<Value = Prediction> {
        let peak = || (0.0..116.0_f64, 0.3..20.0_f64, 0.05..1.0_f64);
        (peak(), peak()).prop_map(|peaks| {
            let height = |age: f64, (mean, sigma, weight): (f64, f64, f64)| {
                weight * (-((age - mean) / sigma).powi(2) / 2.0).exp()
            };
            let weight = |age| height(age, peaks.0) + height(age, peaks.1) + 1e-9;
            let weights: Vec<f64> = (0..117).map(|age| weight(f64::from(age))).collect();
            let sum: f64 = weights.iter().sum();
            let p: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
            Prediction::from_distribution(&p).unwrap()
        })
    }

    proptest! {
        #[test]
        fn no_age_of_a_range_is_worse_than_the_worst(
            score in any_score(),
            prediction in any_prediction(),
            lower in 0..117_i32,
            years in 0..60_i32,
        ) {
            let upper = (lower + years).min(116);
            let worst = score.worst(&prediction, lower.into(), upper.into());
            let of = |age: f64| score.of(&prediction, age);
            for age in lower..=upper {
                prop_assert!(of(age.into()) <= of(worst), "{age} is worse than {worst}");
            }
        }

        /// The heart of the guarantee: covered exactly when the score is at most the threshold.
        #[test]
        fn an_interval_holds_the_ages_whose_score_is_at_most_the_threshold(
            score in any_score(),
            prediction in any_prediction(),
            truth in 0..117_i32,
            half in any::<bool>(),
            share in 0.0..1.0_f64,
        ) {
            let truth = (f64::from(truth) + if half { 0.5 } else { 0.0 }).min(116.0);
            let value = score.of(&prediction, truth);

            let (lower, upper) = score.interval(&prediction, value);
            prop_assert!(lower <= truth && truth <= upper, "{truth} not in {lower}..{upper}");

            // Thresholds below and above it, within the score's own range.
            let threshold = if score == Score::ShortestWindow { share } else { share * 20.0 };
            let (lower, upper) = score.interval(&prediction, threshold);
            prop_assert!(lower <= upper);
            let covered = lower <= truth && truth <= upper;
            // A window is never smaller than the most probable year.
            let least = score == Score::ShortestWindow && lower == upper;
            if (value - threshold).abs() > 1e-9 && !least {
                prop_assert_eq!(covered, value <= threshold);
            }
        }
    }
}
