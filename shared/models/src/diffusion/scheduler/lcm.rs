//! LCM's multistep consistency sampling (Luo et al. 2023, arXiv 2310.04378, algorithm 3).

use tch::{TchError, Tensor};

use super::bound::Bound;
use super::spacing::check_steps;
use super::{NoiseSchedule, NoiseSource, Prediction, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// The deviation of the data, half of the range from -1 to 1.
const DATA_DEVIATION: f64 = 0.5;

/// A run of LCM.
#[derive(Debug)]
pub(crate) struct Lcm {
    schedule: NoiseSchedule,
    prediction: Prediction,
    bound: Bound,
    timestep_scaling: f64,
    timesteps: Vec<f64>,
}

impl Lcm {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize) -> Result<Self, DiffusionError> {
        let schedule = NoiseSchedule::of_latents(fields)?;
        let distilled = fields.size("original_inference_steps", 50)? as usize;
        if distilled > schedule.timesteps() {
            return Err(fields.refuse("original_inference_steps", "at most num_train_timesteps is"));
        }
        check_steps(steps, distilled)?;
        let stride = schedule.timesteps() / distilled;
        let time = |index: usize| {
            let place = (index as f64 * (distilled as f64 / steps as f64)).floor() as usize;
            ((distilled - place) * stride - 1) as f64
        };
        Ok(Self {
            prediction: Prediction::new(fields)?,
            bound: Bound::new(fields, false)?,
            timestep_scaling: fields.number("timestep_scaling", 10.0)?,
            timesteps: (0..steps).map(time).collect(),
            schedule,
        })
    }
}

impl Scheduler for Lcm {
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
        let time = self.timesteps[index];
        let alpha = self.schedule.alpha(time as i64, 1.0);
        let roots = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let original = self.bound.apply(self.prediction.original(output, sample, roots)?)?;
        // The boundary condition: at time 0 a sample is its own denoised one.
        let scaled = time * self.timestep_scaling;
        let data = DATA_DEVIATION * DATA_DEVIATION;
        let (skip, out) =
            (data / (scaled * scaled + data), scaled / (scaled * scaled + data).sqrt());
        let denoised = combine(&[(out, &original), (skip, sample)])?;
        let Some(&next) = self.timesteps.get(index + 1) else { return Ok(denoised) };
        let alpha = self.schedule.alpha(next as i64, 1.0);
        combine(&[(alpha.sqrt(), &denoised), ((1.0 - alpha).sqrt(), &noise(&sample.size()))])
    }
}
