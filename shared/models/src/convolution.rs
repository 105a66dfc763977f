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
    pub(crate) fn folded(&self, activation: Activation) -> Folded {
        let weight = self.weight.shallow_clone();
        let bias = match &self.bias {
            Some(bias) => bias.shallow_clone(),
            None => Tensor::zeros([weight.size()[0]], (weight.kind(), weight.device())),
        };
        Folded { weight, bias, shape: self.shape, activation }
    }

    /// The same with the batch norm behind it, whose statistics no longer move (Ioffe and Szegedy
    /// 2015, arXiv 1502.03167, algorithm 2).
    pub(crate) fn folded_with(&self, norm: &nn::BatchNorm, activation: Activation) -> Folded {
        let plain = self.folded(activation);
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
    pub(crate) activation: Activation,
}

/// What comes behind a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Nothing,
    Relu,
    Relu6,
}

impl Activation {
    /// What outputs are clamped to from 0 up.
    pub(crate) fn highest(self) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Relu => Some(f64::INFINITY),
            Self::Relu6 => Some(6.0),
        }
    }
}

/// What goes past the convolutions of a block and is added to what they give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    Nothing,
    /// The block's input.
    Input,
    /// The block's input, with ReLU behind the sum.
    InputThenRelu,
    /// The means of squares of two pixels of it, which has fewer channels perhaps, with ReLU behind the sum.
    HalvedThenRelu,
}

impl Past {
    /// What a block gives, of what its convolutions gave and of its input.
    pub(crate) fn join(self, mut within: Tensor, input: &Tensor) -> Tensor {
        match self {
            Self::Nothing => within,
            Self::Input => within.g_add_(input),
            Self::InputThenRelu => within.g_add_(input).relu_(),
            Self::HalvedThenRelu => {
                // A square at an edge may have one pixel less.
                let halved = input.avg_pool2d([2, 2], [2, 2], [0, 0], true, false, None::<i64>);
                let _ = within.narrow(1, 0, halved.size()[1]).g_add_(&halved);
                within.relu_()
            }
        }
    }
}

/// Convolutions one after the other.
#[derive(Debug)]
pub(crate) struct FoldedBlock {
    pub(crate) layers: Vec<Folded>,
    pub(crate) past: Past,
    /// Whether the highest of each three by three pixels are taken, two pixels apart, behind all.
    pub(crate) pooled: bool,
}

/// The highest of each three by three pixels, two pixels apart.
pub(crate) fn pooled(images: &Tensor) -> Tensor {
    images.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)
}
