//! Noise levels as Karras et al. 2022 (arXiv 2206.00364) count them: deviation over signal.

use super::NoiseSchedule;
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// The exponent of Karras' spacing.
const RHO: f64 = 7.0;

/// How the sigmas of a run are spaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SigmaSpacing {
    /// As the timesteps have them.
    Timesteps,
    /// Karras et al., equation 5.
    Karras,
    /// Evenly in the logarithm.
    Exponential,
}

impl SigmaSpacing {
    pub(crate) fn new(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        fields.neutral(&[
            ("use_beta_sigmas", false.into()),
            ("use_flow_sigmas", false.into()),
            ("use_lu_lambdas", false.into()),
        ])?;
        let karras = fields.flag("use_karras_sigmas", false)?;
        match (karras, fields.flag("use_exponential_sigmas", false)?) {
            (true, true) => {
                Err(fields.refuse("use_exponential_sigmas", "one spacing of sigmas is"))
            }
            (true, false) => Ok(Self::Karras),
            (false, true) => Ok(Self::Exponential),
            (false, false) => Ok(Self::Timesteps),
        }
    }
}

/// The sigma after the last step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FinalSigma {
    Zero,
    /// The smallest of the training.
    Least,
}

impl FinalSigma {
    pub(crate) fn new(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        fields.choice("final_sigmas_type", &[("zero", Self::Zero), ("sigma_min", Self::Least)])
    }
}

/// The sigmas of all timesteps of the training.
#[derive(Debug)]
pub(crate) struct TrainedSigmas(Vec<f64>);

impl TrainedSigmas {
    pub(crate) fn new(schedule: &NoiseSchedule) -> Self {
        // In 32 bits, as diffusers: where sigmas are in the thousands the last bit is seen.
        let sigma = |alpha: &f64| {
            let alpha = *alpha as f32;
            f64::from(((1.0 - alpha) / alpha).sqrt())
        };
        Self(schedule.alphas_cumprod().iter().map(sigma).collect())
    }

    pub(crate) fn least(&self) -> f64 {
        self.0[0]
    }

    pub(crate) fn greatest(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    /// The sigma at a timestep, between two where it has a fraction.
    pub(crate) fn at(&self, timestep: f64) -> f64 {
        let low = (timestep as usize).min(self.0.len() - 1);
        let high = (low + 1).min(self.0.len() - 1);
        self.0[low] + (self.0[high] - self.0[low]) * (timestep - low as f64)
    }

    /// The timestep of a sigma, by its logarithm.
    pub(crate) fn timestep(&self, sigma: f64) -> f64 {
        let logarithm = sigma.max(1e-10).ln();
        let known = |index: usize| rounded(self.0[index].ln());
        let below = self.0.partition_point(|sigma| rounded(sigma.ln()) <= logarithm);
        let low = below.saturating_sub(1).min(self.0.len().saturating_sub(2));
        let high = (low + 1).min(self.0.len() - 1);
        let weight = ((known(low) - logarithm) / (known(low) - known(high))).clamp(0.0, 1.0);
        (1.0 - weight) * low as f64 + weight * high as f64
    }
}

/// `count` sigmas from the greatest to the least.
pub(crate) fn spaced(spacing: SigmaSpacing, (most, least): (f64, f64), count: usize) -> Vec<f64> {
    let place = |index: usize| if count > 1 { index as f64 / (count - 1) as f64 } else { 0.0 };
    let between = |from: f64, to: f64, index| from + place(index) * (to - from);
    let sigma = |index| match spacing {
        SigmaSpacing::Exponential => between(most.ln(), least.ln(), index).exp(),
        SigmaSpacing::Karras | SigmaSpacing::Timesteps => {
            between(most.powf(1.0 / RHO), least.powf(1.0 / RHO), index).powf(RHO)
        }
    };
    (0..count).map(sigma).collect()
}

/// Rounded to 32 bits, where diffusers rounds.
pub(crate) fn rounded(value: f64) -> f64 {
    f64::from(value as f32)
}
