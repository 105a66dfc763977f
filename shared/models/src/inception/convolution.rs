//! A convolution with its batch norm folded into it.

use std::collections::BTreeMap;

use agespan_fused::{FusedConvolution, Geometry};
use tch::{Kind, TchError, Tensor};

use crate::WeightsError;

/// Added to the variance; TensorFlow's and not PyTorch's usual 1e-5.
const EPSILON: f64 = 0.001;

/// Weights are packed for batches of so many images, and serve others about as well.
const BATCH: i64 = 32;

/// A convolution, then the positive part.
#[derive(Debug)]
pub(super) struct Convolution(FusedConvolution);

impl Convolution {
    pub(super) fn forward(&self, hidden: &Tensor) -> Result<Tensor, TchError> {
        Ok(self.0.forward(hidden)?)
    }
}

/// The tensors of a file, until they are all taken.
pub(super) struct Parts(BTreeMap<String, Tensor>);

impl Parts {
    pub(super) fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self(tensors)
    }

    /// Takes the convolution below `name`, of so many channels in and out, which goes over images of
    /// `side` pixels.
    pub(super) fn take(
        &mut self,
        name: &str,
        [inputs, outputs]: [i64; 2],
        kernel: [i64; 2],
        (stride, padding): (i64, [i64; 2]),
        side: i64,
    ) -> Result<Convolution, WeightsError> {
        let weight_name = format!("{name}.conv.weight");
        let weight = self.tensor(&weight_name, &[outputs, inputs, kernel[0], kernel[1]])?;
        let mut norm = |part: &str| self.tensor(&format!("{name}.bn.{part}"), &[outputs]);
        let (scale, shift) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let fold = || -> Result<FusedConvolution, TchError> {
            let scale = scale.f_div(&variance.f_add_scalar(EPSILON)?.f_sqrt()?)?;
            let weight = weight.f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?;
            let bias = shift.f_sub(&mean.f_mul(&scale)?)?;
            let geometry = Geometry { stride, padding, groups: 1 };
            let (relu, input) = (Some(f64::INFINITY), [BATCH, inputs, side, side]);
            Ok(FusedConvolution::new(&weight, &bias, geometry, relu, Kind::Float, input)?)
        };
        let folded = tch::no_grad(fold);
        folded.map(Convolution).map_err(|source| WeightsError::Tensor { name: weight_name, source })
    }

    /// Fails when a tensor is left that the network does not know. The classifier is not needed, and
    /// neither are counts of training steps.
    pub(super) fn finish(self) -> Result<(), WeightsError> {
        let needless = |name: &str| {
            name.starts_with("fc.")
                || name.starts_with("AuxLogits.")
                || name.ends_with(".num_batches_tracked")
        };
        match self.0.into_keys().find(|name| !needless(name)) {
            Some(name) => Err(WeightsError::Unknown { name }),
            None => Ok(()),
        }
    }

    /// In double precision, as it is to be multiplied.
    fn tensor(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, WeightsError> {
        let missing = || WeightsError::Missing { name: name.to_owned() };
        let tensor = self.0.remove(name).ok_or_else(missing)?;
        if tensor.size() != shape {
            return Err(WeightsError::Shape {
                name: name.to_owned(),
                found: tensor.size(),
                expected: shape.to_vec(),
            });
        }
        tensor
            .f_to_kind(Kind::Double)
            .map_err(|source| WeightsError::Tensor { name: name.to_owned(), source })
    }
}
