//! DDPM (Ho et al. 2020, arXiv 2006.11239, algorithm 2 and formula 7).

use tch::{TchError, Tensor};

use super::bound::Bound;
use super::spacing::{Spacing, check_steps, check_timesteps};
use super::{NoiseSchedule, NoiseSource, Prediction, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

const LEAST_VARIANCE: f64 = 1e-20;

/// The variance of the noise that a step adds.
#[derive(Clone, Copy, Debug)]
enum Variance {
    /// That of the posterior.
    Small,
    /// Beta itself.
    Large,
}

/// A run of DDPM.
#[derive(Debug)]
pub(crate) struct Ddpm {
    schedule: NoiseSchedule,
    prediction: Prediction,
    bound: Bound,
    variance: Variance,
    timesteps: Vec<f64>,
}

impl Ddpm {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize) -> Result<Self, DiffusionError> {
        let schedule = NoiseSchedule::new(fields)?;
        check_steps(steps, schedule.timesteps())?;
        let timesteps = Spacing::leading(fields)?.timesteps(schedule.timesteps(), steps, false);
        check_timesteps(&timesteps, schedule.timesteps())?;
        // "fixed_large_log" takes the root of a negative logarithm in diffusers, and is refused.
        let variance = fields.choice(
            "variance_type",
            &[
                ("fixed_small", Variance::Small),
                ("fixed_small_log", Variance::Small),
                ("fixed_large", Variance::Large),
            ],
        )?;
        Ok(Self {
            schedule,
            prediction: Prediction::new(fields)?,
            bound: Bound::new(fields, true)?,
            variance,
            timesteps,
        })
    }
}

impl Scheduler for Ddpm {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn step(
        &mut self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
        noise: &mut NoiseSource<'_>,
    ) -> Result<Tensor, TchError> {
        let time = self.timesteps[index] as i64;
        let next = self.timesteps.get(index + 1).map_or(-1, |&next| next as i64);
        let (alpha, alpha_next) = (self.schedule.alpha(time, 1.0), self.schedule.alpha(next, 1.0));
        let beta = 1.0 - alpha / alpha_next;

        let roots = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let original = self.bound.apply(self.prediction.original(output, sample, roots)?)?;
        let original_share = alpha_next.sqrt() * beta / (1.0 - alpha);
        let sample_share = (1.0 - beta).sqrt() * (1.0 - alpha_next) / (1.0 - alpha);
        let mean = combine(&[(original_share, &original), (sample_share, sample)])?;
        if time == 0 {
            return Ok(mean);
        }
        let variance = match self.variance {
            Variance::Small => ((1.0 - alpha_next) / (1.0 - alpha) * beta).max(LEAST_VARIANCE),
            Variance::Large => beta,
        };
        combine(&[(1.0, &mean), (variance.sqrt(), &noise(&sample.size()))])
    }
}
