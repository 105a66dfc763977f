//! How much noise each timestep of the training has.

use std::f64::consts::FRAC_PI_2;

use tch::{Kind, TchError, Tensor};

use super::Prediction;
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// The largest beta of the squared-cosine schedule.
const MAX_BETA: f64 = 0.999;

/// What a rescaled schedule has for the signal of its last timestep where a logarithm of it is
/// taken: the smallest 16-bit float above 0, as in diffusers.
const ALMOST_NO_SIGNAL: f64 = 1.0 / 16_777_216.0;

#[derive(Clone, Copy)]
enum BetaSchedule {
    Linear,
    ScaledLinear,
    SquaredCosine,
}

/// The noise of each timestep: `sqrt(a) sample + sqrt(1 - a) noise` with `a = alphas_cumprod[t]`.
///
/// Betas are rounded to 32 bits where diffusers rounds them; what is computed from them afterwards
/// is in 64.
#[derive(Clone, Debug)]
pub struct NoiseSchedule {
    betas: Vec<f64>,
    alphas_cumprod: Vec<f64>,
}

impl NoiseSchedule {
    pub(crate) fn new(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        Self::with_defaults(fields, (0.0001, 0.02), BetaSchedule::Linear)
    }

    /// With the defaults of latent diffusion, which are LCM's.
    pub(crate) fn of_latents(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        Self::with_defaults(fields, (0.00085, 0.012), BetaSchedule::ScaledLinear)
    }

    fn with_defaults(
        fields: &Fields<'_>,
        (start, end): (f64, f64),
        default: BetaSchedule,
    ) -> Result<Self, DiffusionError> {
        use BetaSchedule::{Linear, ScaledLinear, SquaredCosine};
        let mut choices = [
            ("linear", Linear),
            ("scaled_linear", ScaledLinear),
            ("squaredcos_cap_v2", SquaredCosine),
        ];
        if matches!(default, ScaledLinear) {
            choices.swap(0, 1);
        }
        let count = fields.size("num_train_timesteps", 1000)? as usize;
        let (start, end) = (fields.number("beta_start", start)?, fields.number("beta_end", end)?);
        let schedule = fields.choice("beta_schedule", &choices)?;
        let betas = match (fields.numbers("trained_betas")?, schedule) {
            (Some(betas), _) if betas.is_empty() => {
                return Err(fields.refuse("trained_betas", "one beta for each timestep is"));
            }
            (Some(betas), _) => betas.into_iter().map(|beta| beta as f32).collect(),
            (None, Linear) => linspace(start, end, count),
            (None, ScaledLinear) => linspace(start.sqrt(), end.sqrt(), count)
                .into_iter()
                .map(|root| root * root)
                .collect(),
            (None, SquaredCosine) => squared_cosine(count),
        };
        if betas.iter().any(|beta| !(0.0..1.0).contains(beta)) {
            return Err(fields.refuse("beta_end", "betas from 0 to below 1 are"));
        }
        let rescaled = fields.flag("rescale_betas_zero_snr", false)?;
        Ok(Self::of_betas(if rescaled { without_last_signal(&betas) } else { betas }))
    }

    fn of_betas(betas: Vec<f32>) -> Self {
        let alphas_cumprod = cumulated(&betas).into_iter().map(f64::from).collect();
        Self { betas: betas.into_iter().map(f64::from).collect(), alphas_cumprod }
    }

    /// The schedule with a trace of signal at the last timestep, where it was rescaled to have none.
    pub(crate) fn with_some_signal(mut self) -> Self {
        if let Some(last) = self.alphas_cumprod.last_mut().filter(|last| **last == 0.0) {
            *last = ALMOST_NO_SIGNAL;
        }
        self
    }

    /// The number of timesteps.
    pub fn timesteps(&self) -> usize {
        self.betas.len()
    }

    /// The variance of the noise that each timestep adds.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// The part of the variance that is still signal at each timestep.
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }

    /// The part at a timestep; `before` where there is none yet.
    pub(crate) fn alpha(&self, timestep: i64, before: f64) -> f64 {
        match usize::try_from(timestep) {
            Ok(timestep) => self.alphas_cumprod[timestep.min(self.timesteps() - 1)],
            Err(_) => before,
        }
    }

    /// Signal to noise at a timestep: the ratio of the variances (Hang et al. 2023).
    ///
    /// # Panics
    /// When there is no such timestep.
    pub fn signal_to_noise(&self, timestep: usize) -> f64 {
        self.alphas_cumprod[timestep] / (1.0 - self.alphas_cumprod[timestep])
    }

    /// The weight of a timestep's square error in min-SNR weighting (Hang et al. 2023, arXiv
    /// 2303.09556, section 3.4): min(snr, gamma) for the error of the sample, and for that of the
    /// noise and of the velocity what makes it the same.
    ///
    /// # Panics
    /// When there is no such timestep.
    pub fn min_snr_weight(&self, timestep: usize, prediction: Prediction, gamma: f64) -> f64 {
        let snr = self.signal_to_noise(timestep);
        let least = snr.min(gamma);
        match prediction {
            Prediction::Sample => least,
            // The limit where there is no signal.
            Prediction::Epsilon if snr == 0.0 => 1.0,
            Prediction::Epsilon => least / snr,
            Prediction::Velocity => least / (snr + 1.0),
        }
    }

    /// Samples `[n, …]` with as much noise as the timesteps `[n]` have.
    pub fn add_noise(
        &self,
        samples: &Tensor,
        noise: &Tensor,
        timesteps: &Tensor,
    ) -> Result<Tensor, TchError> {
        let (signal, deviation) = self.roots(samples, timesteps)?;
        signal.f_mul(samples)?.f_add(&deviation.f_mul(noise)?)
    }

    /// The velocity (Salimans and Ho 2022): the signal's root times the noise, less the noise's root
    /// times the sample.
    pub fn velocity(
        &self,
        samples: &Tensor,
        noise: &Tensor,
        timesteps: &Tensor,
    ) -> Result<Tensor, TchError> {
        let (signal, deviation) = self.roots(samples, timesteps)?;
        signal.f_mul(noise)?.f_sub(&deviation.f_mul(samples)?)
    }

    /// What a network that predicts `prediction` is to say in training.
    pub fn target(
        &self,
        prediction: Prediction,
        samples: &Tensor,
        noise: &Tensor,
        timesteps: &Tensor,
    ) -> Result<Tensor, TchError> {
        match prediction {
            Prediction::Epsilon => Ok(noise.shallow_clone()),
            Prediction::Sample => Ok(samples.shallow_clone()),
            Prediction::Velocity => self.velocity(samples, noise, timesteps),
        }
    }

    /// The roots of signal and noise at the timesteps `[n]`, shaped to multiply `samples`.
    fn roots(&self, samples: &Tensor, timesteps: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        let mut shape = vec![1; samples.dim()];
        shape[0] = -1;
        let alphas = Tensor::f_from_slice(&self.alphas_cumprod)?;
        let alphas = alphas.f_index_select(0, &timesteps.f_to_device(tch::Device::Cpu)?)?;
        let shaped = |root: Tensor| {
            root.f_to_device(samples.device())?.f_to_kind(samples.kind())?.f_view(shape.as_slice())
        };
        let noise = alphas.f_neg()?.f_add_scalar(1.0)?;
        debug_assert_eq!(alphas.kind(), Kind::Double);
        Ok((shaped(alphas.f_sqrt()?)?, shaped(noise.f_sqrt()?)?))
    }
}

/// Evenly spaced numbers, in 32 bits and from both ends, as PyTorch computes them.
fn linspace(start: f64, end: f64, count: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    let step = if count > 1 { (end - start) / (count - 1) as f32 } else { 0.0 };
    let at = |index| {
        if index < count / 2 {
            start + step * index as f32
        } else {
            end - step * (count - index - 1) as f32
        }
    };
    if count == 1 { vec![start] } else { (0..count).map(at).collect() }
}

/// Nichol and Dhariwal 2021 (arXiv 2102.09672), equation 17.
fn squared_cosine(count: usize) -> Vec<f32> {
    let signal = |index: usize| {
        let time = index as f64 / count as f64;
        ((time + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2)
    };
    let beta = |index| (1.0 - signal(index + 1) / signal(index)).min(MAX_BETA) as f32;
    (0..count).map(beta).collect()
}

/// The running product of 1 - beta, in 64 bits, rounded to 32 at each place.
fn cumulated(betas: &[f32]) -> Vec<f32> {
    let running = betas.iter().scan(1.0, |product, beta| {
        *product *= f64::from(1.0 - beta);
        Some(*product as f32)
    });
    running.collect()
}

/// Betas after which nothing of the signal is left (Lin et al. 2023, arXiv 2305.08891, algorithm 1).
fn without_last_signal(betas: &[f32]) -> Vec<f32> {
    let roots: Vec<f32> = cumulated(betas).into_iter().map(f32::sqrt).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let shifted = roots.iter().map(|root| (root - last) * (first / (first - last)));
    let signal: Vec<f32> = shifted.map(|root| root * root).collect();
    let mut before = 1.0;
    let beta = |signal: &f32| {
        let beta = 1.0 - signal / before;
        before = *signal;
        beta
    };
    signal.iter().map(beta).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn schedule(fields: &Value) -> Result<NoiseSchedule, DiffusionError> {
        NoiseSchedule::new(&Fields::new("the test", fields.as_object().unwrap()))
    }

    #[test]
    fn squared_cosine_betas_rise_all_the_way() {
        // Dividing the index as an integer makes all betas but the last 0.
        let schedule = schedule(&json!({"beta_schedule": "squaredcos_cap_v2"})).unwrap();
        let betas = schedule.betas();
        assert_eq!(betas.len(), 1000);
        assert!(betas.windows(2).all(|pair| pair[0] < pair[1] || pair[0] > 0.99));
        assert!((betas[0] - 4.128_e-5).abs() < 1e-7 && betas[500] > 1e-3, "{betas:?}");
        assert!((betas[999] - 0.999).abs() < 1e-6);
        let exact = |t: f64| ((t + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2);
        for place in [0, 99, 499, 899] {
            let expected = exact((place + 1) as f64 / 1000.0) / exact(0.0);
            assert!((schedule.alphas_cumprod()[place] - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_rescaled_schedule_ends_without_signal() {
        let schedule = schedule(&json!({"rescale_betas_zero_snr": true})).unwrap();
        assert_eq!(schedule.alphas_cumprod()[999], 0.0);
        assert_eq!(schedule.signal_to_noise(999), 0.0);
        assert!(schedule.with_some_signal().alphas_cumprod()[999] > 0.0);
    }

    #[test]
    fn noise_and_velocity_turn_a_sample_by_an_angle() {
        let schedule = schedule(&json!({})).unwrap();
        let sample = Tensor::from_slice(&[1.0f32, 0.0]).view([2, 1]);
        let noise = Tensor::from_slice(&[0.0f32, 1.0]).view([2, 1]);
        let times = Tensor::from_slice(&[300i64, 300]);
        let alpha = schedule.alphas_cumprod()[300];
        let noisy = schedule.add_noise(&sample, &noise, &times).unwrap();
        let velocity = schedule.velocity(&sample, &noise, &times).unwrap();
        let close = |found: &Tensor, row, expected: f64| {
            (found.double_value(&[row, 0]) - expected).abs() < 1e-6
        };
        assert!(close(&noisy, 0, alpha.sqrt()) && close(&noisy, 1, (1.0 - alpha).sqrt()));
        assert!(close(&velocity, 0, -(1.0 - alpha).sqrt()) && close(&velocity, 1, alpha.sqrt()));
        let target = |prediction| schedule.target(prediction, &sample, &noise, &times).unwrap();
        assert_eq!(target(Prediction::Epsilon), noise);
        assert_eq!(target(Prediction::Sample), sample);
        assert_eq!(target(Prediction::Velocity), velocity);
    }

    #[test]
    fn betas_that_are_none_are_refused() {
        assert!(schedule(&json!({"beta_end": 1.5})).is_err());
        assert!(schedule(&json!({"trained_betas": []})).is_err());
        assert!(schedule(&json!({"beta_schedule": "sigmoid"})).is_err());
    }
}
