//! How far the network is from what it is to say of noisy latents.

use agespan_models::diffusion::scheduler::{NoiseSchedule, Prediction};
use agespan_models::diffusion::{DiffusionError, Noise, SchedulerConfig, Unet};
use agespan_models::tch::{Device, Kind, TchError, Tensor};

use super::spec::FineTuneSpec;

/// The task of a pipeline's UNet.
pub(super) struct Denoising {
    schedule: NoiseSchedule,
    prediction: Prediction,
    /// Weight of each timestep.
    weights: Vec<f32>,
}

impl Denoising {
    pub(super) fn of(
        scheduler: &SchedulerConfig,
        spec: &FineTuneSpec,
    ) -> Result<Self, DiffusionError> {
        let (schedule, prediction) = (scheduler.noise_schedule()?, scheduler.prediction()?);
        let weight = |time| min_snr(schedule.signal_to_noise(time), prediction, spec.snr_gamma);
        let weights = (0..schedule.timesteps()).map(|time| weight(time) as f32).collect();
        Ok(Self { schedule, prediction, weights })
    }

    /// A time for each image, any of them as likely.
    pub(super) fn draw_times(&self, count: usize, noise: &mut Noise) -> Tensor {
        let all = self.schedule.timesteps() as f64;
        (noise.uniform(&[count as i64]).to_kind(Kind::Double) * all).floor().to_kind(Kind::Int64)
    }

    /// Times spread over all, in the places `chosen` of `count`.
    pub(super) fn spread_times(&self, chosen: &[usize], count: usize) -> Tensor {
        let all = self.schedule.timesteps();
        let times: Vec<i64> = chosen.iter().map(|place| (place * all / count) as i64).collect();
        Tensor::from_slice(&times)
    }

    /// The weights of the times `[n]`.
    pub(super) fn weights(&self, times: &Tensor) -> Result<Tensor, TchError> {
        Tensor::f_from_slice(&self.weights)?.f_index_select(0, times)
    }

    /// The mean square error of each image, `[n]`, at its time and with the next noise.
    pub(super) fn errors(
        &self,
        unet: &Unet,
        latents: &Tensor,
        texts: &Tensor,
        times: &Tensor,
        noise: &mut Noise,
    ) -> Result<Tensor, TchError> {
        let noise = noise.normal(&latents.size());
        let noisy = self.schedule.add_noise(latents, &noise, times)?;
        let target = self.schedule.target(self.prediction, latents, &noise, times)?;
        let (kind, device) = network(unet);
        let (noisy, times) = (noisy.f_to_device(device)?, times.f_to_device(device)?);
        let predicted = unet.forward(&noisy.f_to_kind(kind)?, &times, &texts.f_to_kind(kind)?)?;
        let target = target.f_to_device(device)?;
        let error = predicted.f_to_kind(Kind::Float)?.f_sub(&target)?.f_square()?;
        error.f_mean_dim(&[1i64, 2, 3][..], false, Kind::Float)
    }
}

fn network(unet: &Unet) -> (Kind, Device) {
    let any = unet.variables().values().next();
    any.map_or((Kind::Float, Device::Cpu), |weight| (weight.kind(), weight.device()))
}

/// Min-SNR weighting for what the network predicts (Hang et al. 2023, arXiv 2303.09556, section 3.4
/// and appendix): the weight of a sample's error is min(snr, gamma), and that of the noise's and the
/// velocity's what makes it the same.
fn min_snr(snr: f64, prediction: Prediction, gamma: f64) -> f64 {
    if gamma <= 0.0 {
        return 1.0;
    }
    let least = snr.min(gamma);
    match prediction {
        Prediction::Sample => least,
        // At no signal the limit.
        Prediction::Epsilon if snr == 0.0 => 1.0,
        Prediction::Epsilon => least / snr,
        Prediction::Velocity => least / (snr + 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn min_snr_weighs_the_same_error_of_a_sample_alike_whatever_is_predicted() {
        for snr in [0.01, 1.0, 4.0, 30.0] {
            let weight = |prediction| min_snr(snr, prediction, 5.0);
            let sample = weight(Prediction::Sample);
            assert_eq!(sample, snr.min(5.0));
            // An error e of the sample is an error of the noise of e^2 snr, and of the velocity of
            // e^2 (snr + 1).
            assert!((weight(Prediction::Epsilon) * snr - sample).abs() < 1e-12);
            assert!((weight(Prediction::Velocity) * (snr + 1.0) - sample).abs() < 1e-12);
            assert_eq!(min_snr(snr, Prediction::Epsilon, 0.0), 1.0);
        }
        assert_eq!(min_snr(0.0, Prediction::Epsilon, 5.0), 1.0);
        assert_eq!(min_snr(0.0, Prediction::Velocity, 5.0), 0.0);
    }
}
