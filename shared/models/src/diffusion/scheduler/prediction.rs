//! What a network predicts, and what follows from it.

use tch::{TchError, Tensor};

use super::combine;
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// What a network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The sample without noise.
    Sample,
    /// The velocity (Salimans and Ho 2022, arXiv 2202.00512).
    Velocity,
}

impl Prediction {
    pub(crate) fn new(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        fields.choice(
            "prediction_type",
            &[
                ("epsilon", Self::Epsilon),
                ("sample", Self::Sample),
                ("v_prediction", Self::Velocity),
            ],
        )
    }

    /// For schedulers whose reference has no formula for a predicted sample.
    pub(crate) fn but_sample(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        match Self::new(fields)? {
            Self::Sample => {
                Err(fields.refuse("prediction_type", "supported: epsilon, v_prediction"))
            }
            other => Ok(other),
        }
    }

    /// The sample without noise, from the network's output for `signal * x + deviation * noise`.
    pub(crate) fn original(
        self,
        output: &Tensor,
        sample: &Tensor,
        (signal, deviation): (f64, f64),
    ) -> Result<Tensor, TchError> {
        match self {
            Self::Epsilon => combine(&[(1.0, sample), (-deviation, output)])?.f_div_scalar(signal),
            Self::Sample => Ok(output.shallow_clone()),
            Self::Velocity => combine(&[(signal, sample), (-deviation, output)]),
        }
    }

    /// The noise, likewise.
    pub(crate) fn noise(
        self,
        output: &Tensor,
        sample: &Tensor,
        (signal, deviation): (f64, f64),
    ) -> Result<Tensor, TchError> {
        match self {
            Self::Epsilon => Ok(output.shallow_clone()),
            Self::Sample => combine(&[(1.0, sample), (-signal, output)])?.f_div_scalar(deviation),
            Self::Velocity => combine(&[(signal, output), (deviation, sample)]),
        }
    }
}
