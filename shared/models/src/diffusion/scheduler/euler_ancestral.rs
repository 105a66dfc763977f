//! Euler steps with fresh noise: a step goes further down than asked, and noise makes up for it.

use tch::{TchError, Tensor};

use super::euler::{init_noise_sigma, original, scaled};
use super::sigmas::{TrainedSigmas, rounded};
use super::spacing::{Spacing, check_steps, check_timesteps};
use super::{NoiseSchedule, NoiseSource, Prediction, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// A run of ancestral Euler steps.
#[derive(Debug)]
pub(crate) struct EulerAncestral {
    prediction: Prediction,
    timesteps: Vec<f64>,
    sigmas: Vec<f64>,
    init_noise_sigma: f64,
}

impl EulerAncestral {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize) -> Result<Self, DiffusionError> {
        fields.neutral(&[
            ("use_beta_sigmas", false.into()),
            ("use_exponential_sigmas", false.into()),
            ("use_karras_sigmas", false.into()),
            ("thresholding", false.into()),
        ])?;
        let schedule = NoiseSchedule::new(fields)?.with_some_signal();
        check_steps(steps, schedule.timesteps())?;
        let spacing = Spacing::linspace(fields)?;
        let timesteps = spacing.timesteps(schedule.timesteps(), steps, true);
        check_timesteps(&timesteps, schedule.timesteps())?;
        let trained = TrainedSigmas::new(&schedule);
        let sigmas = timesteps.iter().map(|&time| rounded(trained.at(time)));
        let sigmas: Vec<f64> = sigmas.chain([0.0]).collect();
        Ok(Self {
            prediction: Prediction::but_sample(fields)?,
            init_noise_sigma: init_noise_sigma(spacing, &sigmas),
            timesteps,
            sigmas,
        })
    }
}

impl Scheduler for EulerAncestral {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.init_noise_sigma
    }

    fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor, TchError> {
        scaled(sample, self.sigmas[index])
    }

    fn step(
        &mut self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
        noise: &mut NoiseSource<'_>,
    ) -> Result<Tensor, TchError> {
        let (sigma, next) = (self.sigmas[index], self.sigmas[index + 1]);
        let original = original(self.prediction, output, sample, sigma)?;
        let (square, next_square) = (sigma * sigma, next * next);
        let up = (next_square * (square - next_square) / square).sqrt();
        let down = (next_square - up * up).max(0.0).sqrt();
        let derivative = sample.f_sub(&original)?.f_div_scalar(sigma)?;
        // Drawn at the last step too, where nothing of it is added: the stream stays diffusers'.
        let noise = noise(&sample.size());
        combine(&[(1.0, sample), (down - sigma, &derivative), (up, &noise)])
    }
}
