//! Convolutions in the precision of what they are given, and what inference makes of them.

use tch::Tensor;
use tch::nn::{self, Path};

/// The shape of a convolution whose padding keeps the size at stride 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    pub(crate) groups: i64,
}

impl Shape {
    /// Each output sees every input.
    pub(crate) const fn dense(kernel: i64, stride: i64) -> Self {
        Self { kernel, stride, groups: 1 }
    }

    /// Each channel sees itself alone.
    pub(crate) const fn depthwise(channels: i64, stride: i64) -> Self {
        Self { kernel: 3, stride, groups: channels }
    }
}

/// A convolution.
#[derive(Debug)]
pub(crate) struct Convolution {
    weight: Tensor,
    bias: Option<Tensor>,
    shape: Shape,
}

impl Convolution {
    /// Declares `weight` and, where wanted, `bias` below `path`.
    pub(crate) fn new(path: &Path, inputs: i64, outputs: i64, shape: Shape, bias: bool) -> Self {
        let config = nn::ConvConfig { groups: shape.groups, bias, ..Default::default() };
        let nn::Conv { ws: weight, bs: bias, .. } =
            nn::conv2d(path, inputs, outputs, shape.kernel, config);
        Self { weight, bias, shape }
    }

    /// Computes in the precision of `input`: the weights are cast to it and their gradients come
    /// back in their own, so that a network can learn in 16 bits while its weights stay in 32
    /// (Micikevicius et al. 2018, arXiv 1710.03740, section 3.1).
    pub(crate) fn forward(&self, input: &Tensor) -> Tensor {
        let Shape { kernel, stride, groups } = self.shape;
        let weight = self.weight.to_kind(input.kind());
        let bias = self.bias.as_ref().map(|bias| bias.to_kind(input.kind()));
        input.conv2d(&weight, bias, [stride; 2], [kernel / 2; 2], [1; 2], groups)
    }
}

impl Convolution {
    /// What inference does in its place, with an activation.
    pub(crate) fn folded(&self, relu6: bool) -> Folded {
        let weight = self.weight.shallow_clone();
        let bias = match &self.bias {
            Some(bias) => bias.shallow_clone(),
            None => Tensor::zeros([weight.size()[0]], (weight.kind(), weight.device())),
        };
        Folded { weight, bias, shape: self.shape, relu6 }
    }

    /// The same with the batch norm behind it, whose statistics no longer move (Ioffe and Szegedy
    /// 2015, arXiv 1502.03167, algorithm 2).
    pub(crate) fn folded_with(&self, norm: &nn::BatchNorm, relu6: bool) -> Folded {
        let plain = self.folded(relu6);
        let mut scale = (&norm.running_var + NORM_EPSILON).rsqrt();
        if let Some(weight) = &norm.ws {
            scale *= weight;
        }
        let mut bias = (plain.bias - &norm.running_mean) * &scale;
        if let Some(shift) = &norm.bs {
            bias += shift;
        }
        Folded { weight: plain.weight * scale.view([-1, 1, 1, 1]), bias, ..plain }
    }
}

/// What torch's batch norm adds to a variance.
const NORM_EPSILON: f64 = 1e-5;

/// A convolution as inference does it: its batch norm folded in, its activation behind it.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    pub(crate) shape: Shape,
    pub(crate) relu6: bool,
}

/// Convolutions one after the other.
#[derive(Debug)]
pub(crate) struct FoldedBlock {
    pub(crate) layers: Vec<Folded>,
    /// Whether the input is added to the output.
    pub(crate) residual: bool,
}
