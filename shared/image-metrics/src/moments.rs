//! Mean and covariance of a stream of rows, in memory that does not grow with it.
//!
//! Rows are gathered in blocks; a block's mean and its sum of squares about that mean are merged
//! with those of all before (Chan, Golub and LeVeque 1983, The American Statistician 37(3)):
//!
//! > M = M₁ + M₂ + δ δᵀ · n₁ n₂ / (n₁ + n₂), δ the difference of the means
//!
//! Nothing large is ever subtracted, as it would be with sums of plain squares.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat};

use crate::features::check;
use crate::products::threads;
use crate::{Features, Gaussian, MetricError};

/// Rows merged at once. A block of 2048 numbers a row takes 4 MiB.
const BLOCK: usize = 256;

/// What is known of a stream of rows.
#[derive(Clone, Debug)]
pub struct Moments {
    columns: usize,
    count: usize,
    mean: Vec<f64>,
    /// Sum of squares and products about the mean.
    scatter: Mat<f64>,
    waiting: Vec<f32>,
}

impl Moments {
    /// Nothing yet, of rows of so many numbers: 8 · columns² bytes.
    pub fn new(columns: usize) -> Self {
        Self {
            columns,
            count: 0,
            mean: vec![0.0; columns],
            scatter: Mat::zeros(columns, columns),
            waiting: Vec::new(),
        }
    }

    /// Takes the next rows.
    ///
    /// # Errors
    /// Those of [`Features::from_rows`].
    pub fn extend(&mut self, rows: &[f32]) -> Result<(), MetricError> {
        check(self.columns, rows)?;
        for row in rows.chunks_exact(self.columns) {
            self.waiting.extend_from_slice(row);
            if self.waiting.len() == BLOCK * self.columns {
                self.merge();
            }
        }
        Ok(())
    }

    /// How many rows were seen.
    pub fn count(&self) -> usize {
        self.count + self.waiting.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Mean and covariance with a divisor of n − 1 (`ddof=1`).
    ///
    /// # Errors
    /// [`MetricError::TooFew`] below two rows.
    pub fn finish(mut self) -> Result<Gaussian, MetricError> {
        self.merge();
        if self.count < 2 {
            let metric = "a covariance";
            return Err(MetricError::TooFew { metric, needed: 2, found: self.count });
        }
        let divisor = (self.count - 1) as f64;
        let covariance = self.scatter.as_ref() * faer::Scale(1.0 / divisor);
        Ok(Gaussian { count: self.count, mean: self.mean, covariance })
    }

    /// Those of rows that are at hand.
    ///
    /// # Errors
    /// [`MetricError::TooFew`] below two rows.
    pub fn of(features: &Features) -> Result<Gaussian, MetricError> {
        let mut moments = Self::new(features.columns());
        moments.extend(features.values())?;
        moments.finish()
    }

    fn merge(&mut self) {
        let rows = self.waiting.len().checked_div(self.columns).unwrap_or(0);
        if rows == 0 {
            return;
        }
        let mut block = Mat::from_fn(self.columns, rows, |number, row| {
            f64::from(self.waiting[row * self.columns + number])
        });
        self.waiting.clear();
        let means: Vec<f64> =
            block.row_iter().map(|row| row.iter().sum::<f64>() / rows as f64).collect();
        for column in block.col_iter_mut() {
            column.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
        }
        let (before, all) = (self.count as f64, (self.count + rows) as f64);
        let turned = block.transpose();
        matmul(self.scatter.as_mut(), Accum::Add, block.as_ref(), turned, 1.0, threads());
        let delta = Mat::from_fn(self.columns, 1, |number, _| means[number] - self.mean[number]);
        let share = before * rows as f64 / all;
        let turned = delta.transpose();
        matmul(self.scatter.as_mut(), Accum::Add, delta.as_ref(), turned, share, threads());
        for (mean, delta) in self.mean.iter_mut().zip(delta.col(0).iter()) {
            *mean += delta * rows as f64 / all;
        }
        self.count += rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_make_no_difference_and_a_large_mean_does_no_harm() {
        let value = |i: u32| 5000.0 + (i.wrapping_mul(2_654_435_761) >> 20) as f32 / 4096.0;
        let rows: Vec<f32> = (0..3 * 700).map(value).collect();
        let mut moments = Moments::new(3);
        for piece in rows.chunks(3 * 7) {
            moments.extend(piece).unwrap();
        }
        assert_eq!(moments.count(), 700);
        let found = moments.finish().unwrap();
        for (first, second) in [(0, 0), (0, 2), (1, 2)] {
            let column = |at: usize| rows.iter().skip(at).step_by(3).map(|&v| f64::from(v));
            let mean = |at: usize| column(at).sum::<f64>() / 700.0;
            let (a, b) = (mean(first), mean(second));
            let sum: f64 = column(first).zip(column(second)).map(|(x, y)| (x - a) * (y - b)).sum();
            assert!((found.covariance[(first, second)] - sum / 699.0).abs() < 1e-12);
            assert!((found.mean[first] - a).abs() < 1e-9);
        }
    }

    #[test]
    fn one_row_has_no_covariance() {
        let features = Features::from_rows(2, vec![1.0, 2.0]).unwrap();
        let few = MetricError::TooFew { metric: "a covariance", needed: 2, found: 1 };
        assert_eq!(Moments::of(&features).err(), Some(few));
    }
}
