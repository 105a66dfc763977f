//! MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2).
//!
//! Paths of the parameters equal the keys of torchvision's `mobilenet_v2` (`features.0.0.weight`,
//! `features.1.conv.0.1.running_mean`, …), so its ImageNet weights load as they are.

use tch::nn::{self, ModuleT, Path};
use tch::{Kind, Tensor};

/// The bottleneck stages: expansion, output channels, blocks, stride of the first block.
const STAGES: [(i64, i64, i64, i64); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];
const STEM_CHANNELS: i64 = 32;

/// The backbone: an image to a vector of [`MobileNetV2::FEATURES`] numbers.
#[derive(Debug)]
pub struct MobileNetV2 {
    stem: ConvNorm,
    blocks: Vec<Bottleneck>,
    last: ConvNorm,
}

impl MobileNetV2 {
    /// Length of the feature vector.
    pub const FEATURES: i64 = 1280;

    /// Declares the variables below `path` (`features.…`).
    pub fn new(path: &Path) -> Self {
        let features = path / "features";
        let stem = ConvNorm::new(&(&features / 0), 3, STEM_CHANNELS, Conv::dense(3, 2));
        let mut blocks = Vec::new();
        let mut inputs = STEM_CHANNELS;
        for (expansion, outputs, repeats, first_stride) in STAGES {
            for repeat in 0..repeats {
                let stride = if repeat == 0 { first_stride } else { 1 };
                let place = &features / (blocks.len() + 1) / "conv";
                blocks.push(Bottleneck::new(&place, inputs, outputs, expansion, stride));
                inputs = outputs;
            }
        }
        let place = &features / (blocks.len() + 1);
        let last = ConvNorm::new(&place, inputs, Self::FEATURES, Conv::dense(1, 1));
        Self { stem, blocks, last }
    }

    /// Images `[n, 3, h, w]` to features `[n, 1280]`. With `batch_statistics` the batch norms use
    /// the batch's own mean and variance and move their running ones; otherwise they are frozen.
    pub fn forward(&self, images: &Tensor, batch_statistics: bool) -> Tensor {
        let mut hidden = self.stem.forward(images, batch_statistics).relu6();
        for block in &self.blocks {
            hidden = block.forward(&hidden, batch_statistics);
        }
        let hidden = self.last.forward(&hidden, batch_statistics).relu6();
        hidden.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }
}

/// An inverted residual with a linear bottleneck (section 3.3 of the paper).
#[derive(Debug)]
struct Bottleneck {
    activated: Vec<ConvNorm>,
    project: ConvNorm,
    residual: bool,
}

impl Bottleneck {
    fn new(path: &Path, inputs: i64, outputs: i64, expansion: i64, stride: i64) -> Self {
        let width = inputs * expansion;
        let mut activated = Vec::new();
        if expansion != 1 {
            activated.push(ConvNorm::new(&(path / 0), inputs, width, Conv::dense(1, 1)));
        }
        let depthwise = Conv { kernel: 3, stride, groups: width };
        activated.push(ConvNorm::new(&(path / activated.len()), width, width, depthwise));
        // torchvision lays the linear projection flat: conv.N and its norm conv.N+1.
        let (conv, norm) = (path / activated.len(), path / (activated.len() + 1));
        let project = ConvNorm::at(&conv, &norm, width, outputs, Conv::dense(1, 1));
        Self { activated, project, residual: stride == 1 && inputs == outputs }
    }

    fn forward(&self, input: &Tensor, batch_statistics: bool) -> Tensor {
        let mut hidden = input.shallow_clone();
        for layer in &self.activated {
            hidden = layer.forward(&hidden, batch_statistics).relu6();
        }
        let output = self.project.forward(&hidden, batch_statistics);
        if self.residual { input + output } else { output }
    }
}

/// Shape of a convolution whose padding keeps the size at stride 1.
struct Conv {
    kernel: i64,
    stride: i64,
    groups: i64,
}

impl Conv {
    const fn dense(kernel: i64, stride: i64) -> Self {
        Self { kernel, stride, groups: 1 }
    }
}

/// A convolution without bias and the batch norm behind it.
#[derive(Debug)]
struct ConvNorm {
    conv: nn::Conv2D,
    norm: nn::BatchNorm,
}

impl ConvNorm {
    fn new(path: &Path, inputs: i64, outputs: i64, shape: Conv) -> Self {
        Self::at(&(path / 0), &(path / 1), inputs, outputs, shape)
    }

    fn at(conv: &Path, norm: &Path, inputs: i64, outputs: i64, shape: Conv) -> Self {
        let config = nn::ConvConfig {
            stride: shape.stride,
            padding: shape.kernel / 2,
            groups: shape.groups,
            bias: false,
            ..Default::default()
        };
        Self {
            conv: nn::conv2d(conv, inputs, outputs, shape.kernel, config),
            norm: nn::batch_norm2d(norm, outputs, Default::default()),
        }
    }

    fn forward(&self, input: &Tensor, batch_statistics: bool) -> Tensor {
        self.norm.forward_t(&input.apply(&self.conv), batch_statistics)
    }
}
