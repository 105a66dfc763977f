//! Schedulers: how predictions of the network take a sample from noise to an image.
//!
//! Each is one file: the paper on top, then the state and the step. They are configured by a
//! `scheduler_config.json` and compute what diffusers' scheduler of that name computes from it; a
//! field whose value they cannot honour is refused. The major components are:
//!
//! * [`SchedulerConfig`]: the file; [`SchedulerConfig::start`] begins a run of a number of steps.
//! * [`Scheduler`]: a run.
//! * [`NoiseSchedule`]: how much noise each timestep has, which training needs too.

mod bound;
mod config;
mod ddim;
mod ddpm;
mod dpm_solver_multistep;
mod euler;
mod euler_ancestral;
mod exponential_integrator;
mod lcm;
mod noise_schedule;
mod pndm;
mod prediction;
mod sigmas;
mod spacing;
mod uni_pc;

use std::fmt::Debug;

use tch::{TchError, Tensor};

pub use config::{SchedulerConfig, SchedulerKind};
pub use noise_schedule::NoiseSchedule;
pub use prediction::Prediction;

/// Noise of a shape, for a step that adds some. The caller decides which image gets which noise.
pub type NoiseSource<'a> = dyn FnMut(&[i64]) -> Tensor + 'a;

/// A run of denoising steps.
pub trait Scheduler: Debug + Send {
    /// The time that the network is told at each step. A method that looks at a step more than once
    /// has more of them than steps were asked for.
    fn timesteps(&self) -> &[f64];

    /// What standard normal noise is multiplied with to begin.
    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    /// The sample as the network wants it at the step `index`.
    fn scale_model_input(&self, sample: &Tensor, _index: usize) -> Result<Tensor, TchError> {
        Ok(sample.shallow_clone())
    }

    /// The next sample, from what the network predicts for this one. The steps are taken in order,
    /// `index` from 0 up; samples are 32-bit floats.
    fn step(
        &mut self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
        noise: &mut NoiseSource<'_>,
    ) -> Result<Tensor, TchError>;
}

/// The sum of tensors, each times a number.
fn combine(terms: &[(f64, &Tensor)]) -> Result<Tensor, TchError> {
    let (factor, tensor) = terms[0];
    let mut sum = tensor.f_mul_scalar(factor)?;
    for (factor, tensor) in &terms[1..] {
        sum = sum.f_add(&tensor.f_mul_scalar(*factor)?)?;
    }
    Ok(sum)
}
