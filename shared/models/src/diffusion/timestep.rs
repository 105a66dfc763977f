//! The time of a denoising step as a vector (Vaswani et al. 2017, section 3.5).

use tch::{Device, Kind, TchError, Tensor};

use super::layers::Linear;
use super::parameters::Parameters;
use crate::WeightsError;

const MAX_PERIOD: f64 = 10_000.0;

/// Sines and cosines of the timesteps: `[n]` to `[n, channels]`, in 32-bit floats.
pub(crate) fn sinusoidal(
    timesteps: &Tensor,
    channels: i64,
    flip_sin_to_cos: bool,
    freq_shift: f64,
) -> Result<Tensor, TchError> {
    let half = channels / 2;
    let places = Tensor::f_arange(half, (Kind::Float, timesteps.device()))?;
    let exponent = places.f_mul_scalar(-MAX_PERIOD.ln())?.f_div_scalar(half as f64 - freq_shift)?;
    let angles = timesteps
        .f_to_kind(Kind::Float)?
        .f_unsqueeze(-1)?
        .f_mul(&exponent.f_exp()?.f_unsqueeze(0)?)?;
    let (sines, cosines) = (angles.f_sin()?, angles.f_cos()?);
    let parts = if flip_sin_to_cos { [cosines, sines] } else { [sines, cosines] };
    let embedding = Tensor::f_cat(&parts, -1)?;
    if channels % 2 == 1 { embedding.f_constant_pad_nd([0, 1, 0, 0]) } else { Ok(embedding) }
}

/// Two linear layers over the sines and cosines.
#[derive(Debug)]
pub(crate) struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimestepEmbedding {
    pub(crate) fn new(p: &Parameters, inputs: i64, outputs: i64) -> Result<Self, WeightsError> {
        Ok(Self {
            linear_1: Linear::new(&p.below("linear_1"), inputs, outputs)?,
            linear_2: Linear::new(&p.below("linear_2"), outputs, outputs)?,
        })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        self.linear_2.forward(&self.linear_1.forward(input)?.f_silu()?)
    }
}

/// `count` equal timesteps, fractions kept.
pub(crate) fn timesteps(timestep: f64, count: i64, device: Device) -> Result<Tensor, TchError> {
    Tensor::f_full([count], timestep, (Kind::Float, device))
}
