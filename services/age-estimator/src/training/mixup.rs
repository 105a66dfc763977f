//! Faces mixed with others of their batch, and their labels in the same shares (Zhang et al. 2018,
//! arXiv 1710.09412): x = λ·x_i + (1 − λ)·x_j with λ from Beta(α, α), drawn for each face.

use agespan_models::tch::{Kind, Tensor};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Who is mixed with whom, and in which shares.
pub(super) struct Mix {
    /// `[n]`: the other face's place in the batch.
    others: Tensor,
    /// `[n]`: how much of a face is its own.
    shares: Tensor,
}

impl Mix {
    /// Draws partners and shares for `count` faces.
    pub(super) fn draw(alpha: f64, count: usize, random: &mut impl Rng) -> Self {
        let mut others: Vec<i64> = (0..count as i64).collect();
        others.shuffle(random);
        let shares: Vec<f32> = (0..count).map(|_| share(alpha, random) as f32).collect();
        Self { others: Tensor::from_slice(&others), shares: Tensor::from_slice(&shares) }
    }

    /// Values `[n, …]` of the faces, mixed.
    pub(super) fn of(&self, values: &Tensor) -> Tensor {
        let mut shape = vec![1; values.dim()];
        shape[0] = -1;
        let values = values.to_kind(Kind::Float);
        let others = values.index_select(0, &self.others);
        others.lerp_tensor(&values, &self.shares.view(shape.as_slice()))
    }

    /// Images `[n, 3, h, w]`, mixed; they stay channels last.
    pub(super) fn of_images(&self, images: &Tensor) -> Tensor {
        self.of(&images.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
    }
}

/// One draw from Beta(α, α) (Jöhnk 1964, doi 10.1007/BF02613706): two powers of uniform numbers, as
/// soon as they add up to no more than 1.
fn share(alpha: f64, random: &mut impl Rng) -> f64 {
    loop {
        let own = random.random::<f64>().powf(alpha.recip());
        let others = random.random::<f64>().powf(alpha.recip());
        let sum = own + others;
        if sum > 0.0 && sum <= 1.0 {
            return own / sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::augment::generator;

    #[test]
    fn shares_have_the_moments_of_the_beta_distribution() {
        let mut random = generator(1, 0, 0);
        for alpha in [0.2, 1.0, 2.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| share(alpha, &mut random)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let squares = draws.iter().map(|draw| (draw - 0.5).powi(2)).sum::<f64>();
            let variance = squares / draws.len() as f64;
            // A symmetric Beta has the variance 1 / (4 · (2α + 1)); the bounds are five and more
            // standard errors wide.
            assert!((mean - 0.5).abs() < 0.02, "{alpha}: {mean}");
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance}");
        }
    }

    #[test]
    fn faces_and_labels_are_mixed_in_the_same_shares() {
        let mix = Mix::draw(0.4, 8, &mut generator(2, 0, 0));
        let labels = Tensor::arange(8, (Kind::Int64, agespan_models::tch::Device::Cpu));
        // Each image is filled with its label.
        let images = labels.to_kind(Kind::Float).view([8, 1, 1, 1]).expand([8, 3, 2, 2], false);
        let (labels, images) = (mix.of(&labels), mix.of_images(&images));
        assert_eq!(images.size(), [8, 3, 2, 2]);
        let difference = images - labels.view([8, 1, 1, 1]);
        assert!(difference.abs().max().double_value(&[]) < 1e-6);
        let mixed = Vec::<f32>::try_from(labels).unwrap();
        assert!(mixed.iter().any(|label| label.fract() > 0.01), "{mixed:?}");
    }
}
