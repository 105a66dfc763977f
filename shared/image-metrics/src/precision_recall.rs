//! Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991).
//!
//! Around each image of a set lies a ball that reaches to its k-th nearest neighbour in that set.
//! Precision is the share of candidates inside a ball of the reference: what is drawn looks like
//! something real. Recall is the share of reference images inside a ball of the candidates: what is
//! real can be drawn. Distances are Euclidean.

use std::ops::Range;

use faer::{Mat, MatRef};
use rayon::prelude::*;

use crate::products::{inner, turned};
use crate::{Features, MetricError};

/// Images whose distances to all others are held at once.
const BLOCK: usize = 256;

/// Both shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Share of candidates that look like a reference image, 0 to 1.
    pub precision: f64,
    /// Share of reference images that look like a candidate, 0 to 1.
    pub recall: f64,
}

/// Precision and recall of candidates, with balls that reach to the `neighbour`-th neighbour (3 is
/// usual).
///
/// # Errors
/// [`MetricError::TooFew`] when a set has no more than `neighbour` images, and
/// [`MetricError::Dimensions`].
pub fn precision_recall(
    reference: &Features,
    candidates: &Features,
    neighbour: usize,
) -> Result<PrecisionRecall, MetricError> {
    reference.same_columns(candidates)?;
    let needed = neighbour.saturating_add(1).max(2);
    reference.at_least(needed, "precision and recall")?;
    candidates.at_least(needed, "precision and recall")?;
    let (reference, candidates) = (Points::new(reference), Points::new(candidates));
    Ok(PrecisionRecall {
        precision: candidates.share_inside(&reference, &reference.radii(neighbour)),
        recall: reference.share_inside(&candidates, &candidates.radii(neighbour)),
    })
}

/// A set of points: each a column, with the square of its length.
struct Points {
    columns: Mat<f64>,
    squares: Vec<f64>,
}

impl Points {
    fn new(features: &Features) -> Self {
        let columns = turned(features, 0..features.len());
        let square = |column: usize| columns.col(column).iter().map(|value| value * value).sum();
        let squares = (0..features.len()).map(square).collect();
        Self { columns, squares }
    }

    fn len(&self) -> usize {
        self.squares.len()
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.len()).step_by(BLOCK).map(|begin| begin..(begin + BLOCK).min(self.len()))
    }

    fn some(&self, range: &Range<usize>) -> MatRef<'_, f64> {
        self.columns.as_ref().subcols(range.start, range.len())
    }

    /// Squared distances: a row for each point of `from`, a column for each of `range`'s here.
    fn squared_distances(&self, range: &Range<usize>, from: &Self) -> Mat<f64> {
        let mut distances = inner(from.columns.as_ref(), self.some(range));
        for (column, own) in distances.col_iter_mut().zip(&self.squares[range.clone()]) {
            for (distance, other) in column.iter_mut().zip(&from.squares) {
                // Rounding must not make a distance the root of something below zero.
                *distance = (own + other - 2.0 * *distance).max(0.0);
            }
        }
        distances
    }

    /// The squared distance of each point to its `neighbour`-th nearest, itself not counted.
    fn radii(&self, neighbour: usize) -> Vec<f64> {
        let mut radii = Vec::with_capacity(self.len());
        for range in self.blocks() {
            let mut distances = self.squared_distances(&range, self);
            for (column, point) in range.clone().enumerate() {
                distances[(point, column)] = 0.0;
            }
            radii.par_extend((0..range.len()).into_par_iter().map(|column| {
                let mut found: Vec<f64> = distances.col(column).iter().copied().collect();
                *found.select_nth_unstable_by(neighbour, f64::total_cmp).1
            }));
        }
        radii
    }

    /// The share of these points that lie inside a ball of the others.
    fn share_inside(&self, balls: &Self, radii: &[f64]) -> f64 {
        let mut inside = 0;
        for range in self.blocks() {
            let distances = self.squared_distances(&range, balls);
            inside += distances
                .col_iter()
                .filter(|column| column.iter().zip(radii).any(|(distance, r)| distance <= r))
                .count();
        }
        inside as f64 / self.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(places: &[f32]) -> Features {
        Features::from_rows(1, places.to_vec()).unwrap()
    }

    #[test]
    fn on_a_line_it_can_be_counted() {
        // Balls that reach to the nearest: radii 1, 1 and 8 of the reference, 1 and 1 of the others.
        let (reference, candidates) = (at(&[0.0, 1.0, 9.0]), at(&[20.0, 21.0]));
        let found = precision_recall(&reference, &candidates, 1).unwrap();
        assert_eq!(found, PrecisionRecall { precision: 0.0, recall: 0.0 });
        let found = precision_recall(&reference, &at(&[9.0, 30.0]), 1).unwrap();
        assert_eq!(found, PrecisionRecall { precision: 0.5, recall: 1.0 });
    }

    #[test]
    fn a_set_is_like_itself() {
        let set = at(&(0..600).map(|i| (i * i % 613) as f32).collect::<Vec<_>>());
        let found = precision_recall(&set, &set, 3).unwrap();
        assert_eq!(found, PrecisionRecall { precision: 1.0, recall: 1.0 });
    }

    #[test]
    fn there_must_be_neighbours() {
        let few = MetricError::TooFew { metric: "precision and recall", needed: 4, found: 3 };
        let found = precision_recall(&at(&[0.0, 1.0, 2.0]), &at(&[0.0; 9]), 3);
        assert_eq!(found, Err(few));
    }
}
