//! How far the network is from what it is to say of noisy latents.

use agespan_models::diffusion::scheduler::{NoiseSchedule, Prediction};
use agespan_models::diffusion::{
    DiffusionError, Noise, Recomputed, SchedulerConfig, Unet, kind_and_device,
};
use agespan_models::tch::{Kind, TchError, Tensor};

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
        let weight = |time| match spec.snr_gamma {
            gamma if gamma > 0.0 => schedule.min_snr_weight(time, prediction, gamma) as f32,
            _ => 1.0,
        };
        let weights = (0..schedule.timesteps()).map(weight).collect();
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

    /// What a network is given at some times and with the next noise, and what it is to say.
    pub(super) fn task(
        &self,
        unet: &Unet,
        latents: &Tensor,
        texts: &Tensor,
        times: &Tensor,
        noise: &mut Noise,
    ) -> Result<Task, TchError> {
        let noise = noise.normal(&latents.size());
        let noisy = self.schedule.add_noise(latents, &noise, times)?;
        let target = self.schedule.target(self.prediction, latents, &noise, times)?;
        let (kind, device) = kind_and_device(unet.variables());
        Ok(Task {
            noisy: noisy.f_to_device(device)?.f_to_kind(kind)?,
            times: times.f_to_device(device)?,
            texts: texts.f_to_kind(kind)?,
            target: target.f_to_device(device)?,
        })
    }
}

/// What a network is given, and what it is to say.
pub(super) struct Task {
    noisy: Tensor,
    times: Tensor,
    texts: Tensor,
    target: Tensor,
}

impl Task {
    /// The mean square error of each image, `[n]`.
    pub(super) fn errors(&self, unet: &Unet) -> Result<Tensor, TchError> {
        self.errors_of(&unet.forward(&self.noisy, &self.times, &self.texts)?)
    }

    /// The same, by a network that keeps little and goes back through itself once more is known.
    pub(super) fn errors_recomputed<'a>(
        &self,
        unet: &'a Unet,
    ) -> Result<(Tensor, Recomputed<'a>), TchError> {
        let pass = unet.forward_recomputed(&self.noisy, &self.times, &self.texts)?;
        Ok((self.errors_of(pass.prediction())?, pass))
    }

    fn errors_of(&self, predicted: &Tensor) -> Result<Tensor, TchError> {
        let error = predicted.f_to_kind(Kind::Float)?.f_sub(&self.target)?.f_square()?;
        error.f_mean_dim(&[1i64, 2, 3][..], false, Kind::Float)
    }
}
