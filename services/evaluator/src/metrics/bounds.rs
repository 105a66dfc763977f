//! Figures with their 95 % bounds.

use agespan_conformal::{Coverage, clopper_pearson};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamples behind the bounds of a mean.
const RESAMPLES: usize = 2000;
const SEED: u64 = 0;

/// A figure with its 95 % bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    /// The figure.
    pub value: f64,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

impl Bounded {
    /// A share with its exact bounds (Clopper and Pearson 1934).
    pub(crate) fn share(successes: u64, trials: u64) -> Self {
        let (lower, upper) = clopper_pearson(successes, trials, Coverage::CONFIDENCE);
        let value = if trials == 0 { 0.0 } else { successes as f64 / trials as f64 };
        Self { value, lower, upper }
    }

    /// A mean with the percentiles of its bootstrap.
    pub(crate) fn mean(values: &[f64]) -> Self {
        Self::by_bootstrap(mean(values), resampled_means(values, SEED))
    }

    /// A difference of two means of different faces, `left` less `right`.
    pub(crate) fn difference(left: &[f64], right: &[f64]) -> Self {
        let pairs = resampled_means(left, SEED).into_iter().zip(resampled_means(right, SEED + 1));
        let differences = pairs.map(|(left, right)| left - right).collect();
        Self::by_bootstrap(mean(left) - mean(right), differences)
    }

    /// A figure with the 2.5th and 97.5th percentiles of what resamples gave.
    pub(crate) fn by_bootstrap(value: f64, mut resampled: Vec<f64>) -> Self {
        resampled.sort_by(f64::total_cmp);
        let cut = resampled.len() / 40;
        let at = |place: usize| resampled.get(place).copied().unwrap_or(value);
        Self { value, lower: at(cut), upper: at(resampled.len().saturating_sub(1 + cut)) }
    }

    /// A share in words, with its bounds.
    pub(crate) fn percent(&self, digits: usize) -> String {
        let [value, lower, upper] = [self.value, self.lower, self.upper].map(|part| part * 100.0);
        format!("{value:.digits$} % ({lower:.digits$}–{upper:.digits$})")
    }

    /// A figure in words, with its bounds.
    pub(crate) fn words(&self, digits: usize) -> String {
        let Self { value, lower, upper } = self;
        let to = if *lower < 0.0 { " to " } else { "–" };
        format!("{value:.digits$} ({lower:.digits$}{to}{upper:.digits$})")
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn resampled_means(values: &[f64], seed: u64) -> Vec<f64> {
    let mean = |places: &mut dyn Iterator<Item = usize>| {
        Some(places.map(|place| values[place]).sum::<f64>() / values.len() as f64)
    };
    resampled_from(seed, values.len(), mean)
}

/// What is found on resamples of as many faces as there are, drawn with replacement from a fixed
/// seed (Efron 1979). Each resample is the places that it drew; one that has no figure is left out.
pub(super) fn resampled<T>(
    count: usize,
    find: impl Fn(&mut dyn Iterator<Item = usize>) -> Option<T>,
) -> Vec<T> {
    resampled_from(SEED, count, find)
}

fn resampled_from<T>(
    seed: u64,
    count: usize,
    find: impl Fn(&mut dyn Iterator<Item = usize>) -> Option<T>,
) -> Vec<T> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut one = || find(&mut (0..count).map(|_| random.random_range(0..count)));
    (0..RESAMPLES).filter_map(|_| one()).collect()
}
