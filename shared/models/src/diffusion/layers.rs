//! Linear layers, convolutions and norms. tch's own take their parameters from its variable store.

use tch::{TchError, Tensor};

use super::parameters::{Parameters, Start};
use crate::WeightsError;

/// PyTorch's start of a layer: evenly within one over the root of the inputs of each output.
fn start(fan_in: i64) -> Start {
    Start::Uniform(1.0 / (fan_in as f64).sqrt())
}

#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(crate) fn new(p: &Parameters, inputs: i64, outputs: i64) -> Result<Self, WeightsError> {
        let bias = Some(p.take("bias", &[outputs], start(inputs))?);
        Ok(Self { bias, ..Self::without_bias(p, inputs, outputs)? })
    }

    pub(crate) fn without_bias(
        p: &Parameters,
        inputs: i64,
        outputs: i64,
    ) -> Result<Self, WeightsError> {
        Ok(Self { weight: p.take("weight", &[outputs, inputs], start(inputs))?, bias: None })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_linear(&self.weight, self.bias.as_ref())
    }
}

/// A two-dimensional convolution.
#[derive(Debug)]
pub(crate) struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl Conv {
    /// Of stride 1, keeping the size.
    pub(crate) fn new(
        p: &Parameters,
        inputs: i64,
        outputs: i64,
        kernel: i64,
    ) -> Result<Self, WeightsError> {
        let start = start(inputs * kernel * kernel);
        Ok(Self {
            weight: p.take("weight", &[outputs, inputs, kernel, kernel], start)?,
            bias: p.take("bias", &[outputs], start)?,
            stride: 1,
            padding: (kernel - 1) / 2,
        })
    }

    pub(crate) fn with_stride(self, stride: i64, padding: i64) -> Self {
        Self { stride, padding, ..self }
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        input.f_conv2d(&self.weight, Some(&self.bias), stride, padding, [1, 1], 1)
    }
}

#[derive(Debug)]
pub(crate) struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    eps: f64,
}

impl GroupNorm {
    pub(crate) fn new(
        p: &Parameters,
        groups: i64,
        channels: i64,
        eps: f64,
    ) -> Result<Self, WeightsError> {
        Ok(Self {
            weight: p.take("weight", &[channels], Start::Constant(1.0))?,
            bias: p.take("bias", &[channels], Start::Constant(0.0))?,
            groups,
            eps,
        })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_group_norm(self.groups, Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}

#[derive(Debug)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    pub(crate) fn new(p: &Parameters, channels: i64, eps: f64) -> Result<Self, WeightsError> {
        Ok(Self {
            weight: p.take("weight", &[channels], Start::Constant(1.0))?,
            bias: p.take("bias", &[channels], Start::Constant(0.0))?,
            eps,
        })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let shape = self.weight.size();
        input.f_layer_norm(shape, Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}

/// SiLU, in place where no gradient asks for what was there.
pub(crate) fn silu(mut input: Tensor) -> Result<Tensor, TchError> {
    if input.requires_grad() { input.f_silu() } else { input.f_silu_() }
}

/// The sum of what a layer made and its residual, in the layer's place: convolutions and linear
/// layers do not need their output for gradients.
pub(crate) fn plus(mut made: Tensor, residual: &Tensor) -> Result<Tensor, TchError> {
    made.f_add_(residual)
}

/// Vectors by number.
#[derive(Debug)]
pub(crate) struct Embedding(Tensor);

impl Embedding {
    pub(crate) fn new(p: &Parameters, count: i64, channels: i64) -> Result<Self, WeightsError> {
        Ok(Self(p.take("weight", &[count, channels], Start::Normal(0.02))?))
    }

    pub(crate) fn forward(&self, numbers: &Tensor) -> Result<Tensor, TchError> {
        Tensor::f_embedding(&self.0, numbers, -1, false, false)
    }

    /// The vectors 0 up to below `count`.
    pub(crate) fn first(&self, count: i64) -> Result<Tensor, TchError> {
        self.0.f_narrow(0, 0, count)
    }
}
