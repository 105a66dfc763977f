//! The kernel inception distance (Bińkowski et al. 2018, arXiv 1801.01401): the squared maximum mean
//! discrepancy of two sets of features under k(x, y) = (x·y / d + 1)³, its unbiased estimate
//!
//! > MMD² = Σ_{i≠j} k(xᵢ, xⱼ) / m(m−1) + Σ_{i≠j} k(yᵢ, yⱼ) / m(m−1) − 2 Σ_{i,j} k(xᵢ, yⱼ) / m²
//!
//! averaged over subsets of m images of each set. Unlike FID's, its expectation does not depend on
//! the number of images; it can be a little below 0.

use faer::MatRef;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::products::{inner, turned};
use crate::{Features, MetricError};

/// How the subsets are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsets {
    /// How many.
    pub count: usize,
    /// Images in each, of either set; fewer where a set has fewer.
    pub size: usize,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for Subsets {
    /// 100 subsets of 1000, as usual.
    fn default() -> Self {
        Self { count: 100, size: 1000, seed: 0 }
    }
}

/// The distance over the subsets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelDistance {
    /// Mean over the subsets.
    pub mean: f64,
    /// Their standard deviation; 0 where a subset is all there is.
    pub deviation: f64,
    /// How many subsets there were: one, where it is all there is.
    pub subsets: usize,
    /// Images in each.
    pub size: usize,
}

/// The kernel distance of two sets of features.
///
/// # Errors
/// [`MetricError::TooFew`] below two images in a set, and [`MetricError::Dimensions`].
pub fn kernel_distance(
    left: &Features,
    right: &Features,
    subsets: Subsets,
) -> Result<KernelDistance, MetricError> {
    left.same_columns(right)?;
    let size = subsets.size.min(left.len()).min(right.len());
    let whole = size == left.len() && size == right.len();
    // Each subset would be the same images in another order.
    let count = if whole { 1 } else { subsets.count.max(1) };
    let mut random = ChaCha8Rng::seed_from_u64(subsets.seed);
    let mut distances = Vec::with_capacity(count);
    for _ in 0..count {
        let mut some = |set: &Features| set.select(&draw(set.len(), size, &mut random));
        let (left, right) = (some(left), some(right));
        distances.push(squared_mean_discrepancy(&left, &right)?);
    }
    let mean = distances.iter().sum::<f64>() / count as f64;
    let variance = distances.iter().map(|found| (found - mean).powi(2)).sum::<f64>() / count as f64;
    Ok(KernelDistance { mean, deviation: variance.sqrt(), subsets: count, size })
}

/// MMD² of two sets of features of one size, unbiased.
///
/// # Errors
/// [`MetricError::TooFew`] below two images in a set, and [`MetricError::Dimensions`].
pub fn squared_mean_discrepancy(left: &Features, right: &Features) -> Result<f64, MetricError> {
    left.same_columns(right)?;
    left.at_least(2, "KID")?;
    right.at_least(2, "KID")?;
    let (x, y) = (turned(left, 0..left.len()), turned(right, 0..right.len()));
    let own = |of: MatRef<'_, f64>| {
        let (sum, diagonal) = kernel_sums(of, of);
        let count = of.ncols() as f64;
        (sum - diagonal) / (count * (count - 1.0))
    };
    let (between, _) = kernel_sums(x.as_ref(), y.as_ref());
    let pairs = (left.len() * right.len()) as f64;
    Ok(own(x.as_ref()) + own(y.as_ref()) - 2.0 * between / pairs)
}

/// The sum of the kernel over all pairs, and over those of the same index.
fn kernel_sums(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> (f64, f64) {
    let scale = 1.0 / left.nrows() as f64;
    let kernel = |product: f64| (product * scale + 1.0).powi(3);
    let products = inner(left, right);
    let columns = products.col_iter();
    let sum = columns.map(|column| column.iter().map(|&p| kernel(p)).sum::<f64>()).sum();
    let diagonal = products.diagonal().column_vector().iter().map(|&p| kernel(p)).sum();
    (sum, diagonal)
}

/// So many different indices below `all`.
pub(crate) fn draw(all: usize, count: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..all).collect();
    for place in 0..count.min(all) {
        indices.swap(place, random.random_range(place..all));
    }
    indices.truncate(count);
    // In order of the set, so that a draw of all gives the sums of all, to the bit.
    indices.sort_unstable();
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(rows: usize, shift: f32, seed: u64) -> Features {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values = (0..rows * 8).map(|_| shift + random.random_range(-1.0..1.0)).collect();
        Features::from_rows(8, values).unwrap()
    }

    #[test]
    fn of_one_distribution_it_is_about_zero_and_of_two_it_is_not() {
        let subsets = Subsets { count: 20, size: 100, seed: 1 };
        let same = kernel_distance(&noise(300, 0.0, 1), &noise(300, 0.0, 2), subsets).unwrap();
        assert!(same.mean.abs() < 3.0 * same.deviation, "{same:?}");
        let other = kernel_distance(&noise(300, 0.0, 1), &noise(300, 1.0, 2), subsets).unwrap();
        assert!(other.mean > 10.0 * other.deviation, "{other:?}");
        assert_eq!((other.subsets, other.size), (20, 100));
    }

    #[test]
    fn small_sets_are_taken_whole() {
        let (left, right) = (noise(30, 0.0, 1), noise(30, 0.5, 2));
        let found = kernel_distance(&left, &right, Subsets::default()).unwrap();
        assert_eq!((found.subsets, found.size, found.deviation), (1, 30, 0.0));
        assert_eq!(found.mean, squared_mean_discrepancy(&left, &right).unwrap());
    }

    #[test]
    fn one_image_is_too_few() {
        let few = MetricError::TooFew { metric: "KID", needed: 2, found: 1 };
        let found = kernel_distance(&noise(1, 0.0, 1), &noise(9, 0.0, 2), Subsets::default());
        assert_eq!(found, Err(few));
    }
}
