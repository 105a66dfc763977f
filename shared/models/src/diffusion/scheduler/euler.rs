//! Euler steps (Karras et al. 2022, arXiv 2206.00364, algorithm 2 without churn).

use tch::{TchError, Tensor};

use super::sigmas::{FinalSigma, SigmaSpacing, TrainedSigmas, rounded, spaced};
use super::spacing::{Spacing, check_steps, check_timesteps};
use super::{NoiseSchedule, NoiseSource, Prediction, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// Between which points sigmas are spaced when the timesteps give them.
#[derive(Clone, Copy)]
enum Interpolation {
    Linear,
    LogLinear,
}

/// A run of Euler steps.
#[derive(Debug)]
pub(crate) struct Euler {
    prediction: Prediction,
    timesteps: Vec<f64>,
    /// One more than timesteps.
    sigmas: Vec<f64>,
    init_noise_sigma: f64,
}

impl Euler {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize) -> Result<Self, DiffusionError> {
        fields.neutral(&[("timestep_type", "discrete".into()), ("thresholding", false.into())])?;
        let schedule = NoiseSchedule::new(fields)?.with_some_signal();
        check_steps(steps, schedule.timesteps())?;
        let spacing = Spacing::linspace(fields)?;
        let trained = TrainedSigmas::new(&schedule);
        let (timesteps, mut sigmas) = run(fields, &trained, spacing, &schedule, steps)?;
        check_timesteps(&timesteps, schedule.timesteps())?;
        sigmas.push(match FinalSigma::new(fields)? {
            FinalSigma::Zero => 0.0,
            FinalSigma::Least => trained.least(),
        });
        Ok(Self {
            prediction: Prediction::new(fields)?,
            init_noise_sigma: init_noise_sigma(spacing, &sigmas),
            sigmas: sigmas.into_iter().map(rounded).collect(),
            timesteps: timesteps.into_iter().map(rounded).collect(),
        })
    }
}

/// The timesteps of a run and their sigmas.
fn run(
    fields: &Fields<'_>,
    trained: &TrainedSigmas,
    spacing: Spacing,
    schedule: &NoiseSchedule,
    steps: usize,
) -> Result<(Vec<f64>, Vec<f64>), DiffusionError> {
    let interpolation = fields.choice(
        "interpolation_type",
        &[("linear", Interpolation::Linear), ("log_linear", Interpolation::LogLinear)],
    )?;
    let timesteps = spacing.timesteps(schedule.timesteps(), steps, true);
    let sigmas: Vec<f64> = match interpolation {
        Interpolation::Linear => timesteps.iter().map(|&time| trained.at(time)).collect(),
        Interpolation::LogLinear => {
            let ends = (trained.greatest(), trained.least());
            spaced(SigmaSpacing::Exponential, ends, steps + 1)
        }
    };
    let sigma_spacing = SigmaSpacing::new(fields)?;
    let most = fields.optional_number("sigma_max")?.unwrap_or(sigmas[0]);
    let least = fields.optional_number("sigma_min")?.unwrap_or(sigmas[sigmas.len() - 1]);
    if sigma_spacing == SigmaSpacing::Timesteps {
        // With "log_linear" there is one sigma too many: as in diffusers, the last is not reached.
        return Ok((timesteps, sigmas));
    }
    let sigmas = spaced(sigma_spacing, (most, least), steps);
    Ok((sigmas.iter().map(|&sigma| trained.timestep(sigma)).collect(), sigmas))
}

/// What noise is multiplied with: the first sigma, or the deviation of signal and noise together.
pub(crate) fn init_noise_sigma(spacing: Spacing, sigmas: &[f64]) -> f64 {
    let most = sigmas.iter().copied().fold(0.0, f64::max);
    if spacing.begins_at_noise() { most } else { (most * most + 1.0).sqrt() }
}

/// The sample without noise, from a sample whose signal was not scaled.
pub(crate) fn original(
    prediction: Prediction,
    output: &Tensor,
    sample: &Tensor,
    sigma: f64,
) -> Result<Tensor, TchError> {
    let square = sigma * sigma + 1.0;
    match prediction {
        Prediction::Epsilon => combine(&[(1.0, sample), (-sigma, output)]),
        Prediction::Sample => Ok(output.shallow_clone()),
        Prediction::Velocity => {
            combine(&[(-sigma / square.sqrt(), output), (1.0 / square, sample)])
        }
    }
}

/// The sample scaled to a variance of one.
pub(crate) fn scaled(sample: &Tensor, sigma: f64) -> Result<Tensor, TchError> {
    sample.f_div_scalar((sigma * sigma + 1.0).sqrt())
}

impl Scheduler for Euler {
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
        _noise: &mut NoiseSource<'_>,
    ) -> Result<Tensor, TchError> {
        let (sigma, next) = (self.sigmas[index], self.sigmas[index + 1]);
        let original = original(self.prediction, output, sample, sigma)?;
        let derivative = sample.f_sub(&original)?.f_div_scalar(sigma)?;
        combine(&[(1.0, sample), (next - sigma, &derivative)])
    }
}
