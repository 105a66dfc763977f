//! DDIM (Song et al. 2020, arXiv 2010.02502, formulas 12 and 16).

use tch::{TchError, Tensor};

use super::bound::Bound;
use super::spacing::{Spacing, check_steps, check_timesteps};
use super::{NoiseSchedule, NoiseSource, Prediction, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// A run of DDIM.
#[derive(Debug)]
pub(crate) struct Ddim {
    schedule: NoiseSchedule,
    prediction: Prediction,
    bound: Bound,
    /// Signal after the last step.
    final_alpha: f64,
    eta: f64,
    stride: i64,
    timesteps: Vec<f64>,
}

impl Ddim {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize, eta: f64) -> Result<Self, DiffusionError> {
        let schedule = NoiseSchedule::new(fields)?;
        check_steps(steps, schedule.timesteps())?;
        let timesteps = Spacing::leading(fields)?.timesteps(schedule.timesteps(), steps, false);
        check_timesteps(&timesteps, schedule.timesteps())?;
        let to_one = fields.flag("set_alpha_to_one", true)?;
        Ok(Self {
            final_alpha: if to_one { 1.0 } else { schedule.alphas_cumprod()[0] },
            stride: (schedule.timesteps() / steps) as i64,
            prediction: Prediction::new(fields)?,
            bound: Bound::new(fields, true)?,
            schedule,
            eta,
            timesteps,
        })
    }
}

impl Scheduler for Ddim {
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
        let alpha = self.schedule.alpha(time, self.final_alpha);
        let alpha_next = self.schedule.alpha(time - self.stride, self.final_alpha);

        let roots = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let original = self.bound.apply(self.prediction.original(output, sample, roots)?)?;
        // From the output, not from the bounded sample, as in diffusers.
        let direction = self.prediction.noise(output, sample, roots)?;
        let variance = (1.0 - alpha_next) / (1.0 - alpha) * (1.0 - alpha / alpha_next);
        let deviation = self.eta * variance.sqrt();
        let rest = (1.0 - alpha_next - deviation * deviation).max(0.0).sqrt();
        let mean = combine(&[(alpha_next.sqrt(), &original), (rest, &direction)])?;
        if self.eta == 0.0 {
            return Ok(mean);
        }
        combine(&[(1.0, &mean), (deviation, &noise(&sample.size()))])
    }
}
