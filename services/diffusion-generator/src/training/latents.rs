//! Faces as the autoencoder has them, encoded once: it does not learn.

use agespan_models::diffusion::{DiffusionError, Noise, Vae, kind_and_device};
use agespan_models::tch::{self, Device, Kind, TchError, Tensor};

use super::Portrait;

/// Faces that are encoded together.
const BATCH: usize = 16;

/// The posteriors of faces, and of their mirror images behind them.
pub(super) struct Latents {
    /// `[n, channels, h, w]`, 32-bit floats, scaled as the UNet has them.
    mean: Tensor,
    deviation: Tensor,
    faces: usize,
}

impl Latents {
    /// Encodes faces of `side` x `side` pixels.
    pub(super) fn encode(
        vae: &Vae,
        portraits: &[Portrait],
        side: i64,
        mirrored: bool,
        on_batch: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Self>, DiffusionError> {
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        let mut done = 0;
        for mirror in [false, true].into_iter().take(1 + usize::from(mirrored)) {
            for batch in portraits.chunks(BATCH) {
                let mut images = pixels(batch, side)?;
                if mirror {
                    images = images.f_flip([3])?;
                }
                let (mean, deviation) = posterior(vae, &images)?;
                means.push(mean);
                deviations.push(deviation);
                done += batch.len();
                if !on_batch(done) {
                    return Ok(None);
                }
            }
        }
        let (mean, deviation) = (Tensor::f_cat(&means, 0)?, Tensor::f_cat(&deviations, 0)?);
        Ok(Some(Self { mean, deviation, faces: portraits.len() }))
    }

    /// Latents of the chosen faces, drawn from their posteriors; some of them mirrored.
    pub(super) fn draw(
        &self,
        chosen: &[usize],
        mirrored: &[bool],
        noise: &mut Noise,
    ) -> Result<Tensor, TchError> {
        let place = |(&face, &mirrored): (&usize, &bool)| {
            (face + if mirrored { self.faces } else { 0 }) as i64
        };
        let places: Vec<i64> = chosen.iter().zip(mirrored).map(place).collect();
        let places = Tensor::f_from_slice(&places)?;
        let mean = self.mean.f_index_select(0, &places)?;
        let deviation = self.deviation.f_index_select(0, &places)?;
        deviation.f_mul(&noise.normal(&mean.size()))?.f_add(&mean)
    }
}

/// Pixels `[n, 3, side, side]` from -1 to 1.
pub(super) fn pixels(portraits: &[Portrait], side: i64) -> Result<Tensor, TchError> {
    let bytes: Vec<u8> = portraits.iter().flat_map(|portrait| &portrait.pixels).copied().collect();
    Tensor::f_from_data_size(&bytes, &[portraits.len() as i64, side, side, 3], Kind::Uint8)?
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?
        .f_div_scalar(127.5)?
        .f_sub_scalar(1.0)?
        .f_contiguous()
}

fn posterior(vae: &Vae, images: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let (kind, device) = kind_and_device(vae.variables());
    let images = images.f_to_device(device)?.f_to_kind(kind)?;
    let posterior = tch::no_grad(|| vae.encode(&images))?;
    let scaled = |tensor: Tensor| {
        tensor
            .f_to_kind(Kind::Float)?
            .f_to_device(Device::Cpu)?
            .f_mul_scalar(vae.config().scaling_factor)
    };
    let deviation = posterior.log_variance.f_to_kind(Kind::Float)?.f_mul_scalar(0.5)?.f_exp()?;
    Ok((scaled(posterior.mean)?, scaled(deviation)?))
}
