//! A sample of a stream of unknown length, each row with the same chance (Vitter 1985, ACM TOMS
//! 11(1), algorithm R). The same stream and seed give the same sample.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Features, MetricError};

/// All rows of a stream up to a bound, beyond it a sample of that size.
#[derive(Clone, Debug)]
pub struct Reservoir {
    kept: Features,
    bound: usize,
    seen: usize,
    random: ChaCha8Rng,
}

impl Reservoir {
    /// Keeps at most `bound` rows of so many numbers each: 4 · bound · columns bytes.
    pub fn new(columns: usize, bound: usize, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { kept: Features::new(columns), bound, seen: 0, random }
    }

    /// Takes the next rows.
    ///
    /// # Errors
    /// Those of [`Features::from_rows`].
    pub fn extend(&mut self, rows: &[f32]) -> Result<(), MetricError> {
        let columns = self.kept.columns();
        crate::features::check(columns, rows)?;
        for row in rows.chunks_exact(columns) {
            self.seen += 1;
            if self.kept.len() < self.bound {
                self.kept.extend(row)?;
                continue;
            }
            let place = self.random.random_range(0..self.seen);
            if place < self.bound {
                self.kept.row_mut(place).copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// The rows that are kept: in the order of the stream, while all are.
    pub fn into_features(self) -> Features {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: u16, bound: usize, seed: u64) -> Vec<f32> {
        let mut reservoir = Reservoir::new(1, bound, seed);
        for value in 0..count {
            reservoir.extend(&[f32::from(value)]).unwrap();
        }
        reservoir.into_features().values().to_vec()
    }

    #[test]
    fn below_the_bound_all_is_kept_in_order() {
        assert_eq!(sample(5, 5, 0), [0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn beyond_it_every_row_has_the_same_chance() {
        let mut sum = 0.0;
        for seed in 0..400 {
            let kept = sample(100, 10, seed);
            assert_eq!(kept.len(), 10);
            sum += kept.iter().sum::<f32>();
        }
        // The mean of 4,000 draws has a deviation of 0.46 about 49.5.
        let mean = sum / 4000.0;
        assert!((mean - 49.5).abs() < 2.0, "{mean}");
        assert_eq!(sample(100, 10, 3), sample(100, 10, 3));
    }
}
