//! Ages as label distributions (Geng, Yin and Zhou 2013, doi 10.1109/TPAMI.2013.51; the
//! discretised Gaussian of Gao et al. 2017, arXiv 1611.01731, equation 1).
//!
//! A label of y years becomes p_j ∝ exp(−(j − y)² / 2σ(y)²) over the ages j = 0 … bins − 1, since
//! neighbouring ages look alike, and the more so the older the face.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// The width of the target, growing with age: σ(y) = base + growth · y, in years.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelWidth {
    /// σ at birth, in years.
    pub base: f64,
    /// Years of σ for each year of age.
    pub growth: f64,
}

impl Default for LabelWidth {
    fn default() -> Self {
        Self { base: 1.0, growth: 0.03 }
    }
}

impl LabelWidth {
    /// σ for a label of `age` years.
    pub fn sigma(&self, age: i64) -> f64 {
        self.base + self.growth * age as f64
    }
}

/// `[bins, bins]`: row y is the target for a label of y years. Each row sums to 1.
///
/// A label beyond the last bin belongs to the last row, which is then open-ended.
pub fn targets(bins: i64, width: LabelWidth) -> Tensor {
    let mut rows = Vec::with_capacity((bins * bins) as usize);
    for age in 0..bins {
        let sigma = width.sigma(age);
        let density = |j: i64| (-((j - age) as f64 / sigma).powi(2) / 2.0).exp();
        let mass: f64 = (0..bins).map(density).sum();
        rows.extend((0..bins).map(|j| (density(j) / mass) as f32));
    }
    Tensor::from_slice(&rows).view([bins, bins])
}

/// KL(target ‖ prediction), the mean over the batch. Shapes: both `[n, bins]`.
pub fn kl_loss(target: &Tensor, logits: &Tensor) -> Tensor {
    // 0 · ln 0 = 0: far from the label the target underflows to nothing.
    let log_target = target.clamp_min(1e-30).log();
    let log_prediction = logits.log_softmax(-1, Kind::Float);
    (target * (log_target - log_prediction)).sum(Kind::Float) / target.size()[0]
}

/// Σ j · p_j: the age in years that a distribution `[n, bins]` stands for. Shape `[n]`.
pub fn expectation(distribution: &Tensor) -> Tensor {
    let bins = distribution.size()[1];
    let ages = Tensor::arange(bins, (Kind::Float, distribution.device()));
    distribution.matmul(&ages)
}

/// A distribution `[n, bins]` at another temperature: p_j^(1/T), normalised (Guo et al. 2017, arXiv
/// 1706.04599, section 4.2). Below 1 it is sharper.
pub fn at_temperature(distribution: &Tensor, temperature: f64) -> Tensor {
    if temperature == 1.0 {
        return distribution.shallow_clone();
    }
    (distribution.clamp_min(1e-30).log() / temperature).softmax(-1, Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_is_a_distribution_centred_on_its_age() {
        let targets = targets(117, LabelWidth::default());
        let sums = targets.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
        assert!(f64::try_from((sums - 1.0).abs().max()).unwrap() < 1e-5);
        let means = Vec::<f64>::try_from(expectation(&targets).to_kind(Kind::Double)).unwrap();
        assert!((means[30] - 30.0).abs() < 1e-3);
        // At the edges the mass that would lie outside is shared out again.
        assert!(means[0] > 0.2 && means[116] < 115.0);
    }

    #[test]
    fn the_loss_is_zero_for_a_perfect_prediction_and_positive_otherwise() {
        let target = targets(117, LabelWidth::default());
        let perfect = f64::try_from(kl_loss(&target, &target.clamp_min(1e-30).log())).unwrap();
        let uniform = f64::try_from(kl_loss(&target, &target.zeros_like())).unwrap();
        assert!(perfect.abs() < 1e-5, "{perfect}");
        assert!(uniform > 1.0, "{uniform}");
    }

    #[test]
    fn the_loss_equals_its_definition() {
        let target = Tensor::from_slice(&[0.5f32, 0.5, 0.0]).view([1, 3]);
        let logits = Tensor::from_slice(&[0.25f32, 0.5, 0.25]).log().view([1, 3]);
        let expected = 0.5 * (0.5f64 / 0.25).ln() + 0.5 * (0.5f64 / 0.5).ln();
        assert!((f64::try_from(kl_loss(&target, &logits)).unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn a_cooler_distribution_is_sharper_and_one_at_temperature_one_is_as_it_was() {
        let distribution = Tensor::from_slice(&[0.2f32, 0.6, 0.2, 0.0]).view([1, 4]);
        assert_eq!(at_temperature(&distribution, 1.0), distribution);
        let cooler = Vec::<f32>::try_from(at_temperature(&distribution, 0.5).view(-1)).unwrap();
        for (found, expected) in cooler.iter().zip([1.0 / 11.0, 9.0 / 11.0, 1.0 / 11.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{cooler:?}");
        }
    }
}
