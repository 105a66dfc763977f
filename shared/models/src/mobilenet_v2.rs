//! MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2).
//!
//! Paths of the parameters equal the keys of torchvision's `mobilenet_v2` (`features.0.0.weight`,
//! `features.1.conv.0.1.running_mean`, …), so its ImageNet weights load as they are.

use tch::nn::{self, ModuleT, Path};
use tch::{Kind, Tensor};

use crate::convolution::{Activation, Convolution, Folded, FoldedBlock, Past, Shape};

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
        let stem = ConvNorm::new(&(&features / 0), 3, STEM_CHANNELS, Shape::dense(3, 2));
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
        let last = ConvNorm::new(&place, inputs, Self::FEATURES, Shape::dense(1, 1));
        Self { stem, blocks, last }
    }

    /// The convolutions as inference does them, their batch norms folded in.
    pub(crate) fn folded(&self) -> Vec<FoldedBlock> {
        let alone = |layer: &ConvNorm| FoldedBlock {
            layers: vec![layer.folded(Activation::Relu6)],
            past: Past::Nothing,
            pooled: false,
        };
        let mut blocks = vec![alone(&self.stem)];
        blocks.extend(self.blocks.iter().map(Bottleneck::folded));
        blocks.push(alone(&self.last));
        blocks
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
    past: Past,
}

impl Bottleneck {
    fn new(path: &Path, inputs: i64, outputs: i64, expansion: i64, stride: i64) -> Self {
        let width = inputs * expansion;
        let mut activated = Vec::new();
        if expansion != 1 {
            activated.push(ConvNorm::new(&(path / 0), inputs, width, Shape::dense(1, 1)));
        }
        let depthwise = Shape::depthwise(width, stride);
        activated.push(ConvNorm::new(&(path / activated.len()), width, width, depthwise));
        // torchvision lays the linear projection flat: conv.N and its norm conv.N+1.
        let (conv, norm) = (path / activated.len(), path / (activated.len() + 1));
        let project = ConvNorm::at(&conv, &norm, width, outputs, Shape::dense(1, 1));
        let past = if stride == 1 && inputs == outputs { Past::Input } else { Past::Nothing };
        Self { activated, project, past }
    }

    fn folded(&self) -> FoldedBlock {
        let mut layers: Vec<_> =
            self.activated.iter().map(|layer| layer.folded(Activation::Relu6)).collect();
        layers.push(self.project.folded(Activation::Nothing));
        FoldedBlock { layers, past: self.past, pooled: false }
    }

    fn forward(&self, input: &Tensor, batch_statistics: bool) -> Tensor {
        let mut hidden = input.shallow_clone();
        for layer in &self.activated {
            hidden = layer.forward(&hidden, batch_statistics).relu6();
        }
        let output = self.project.forward(&hidden, batch_statistics);
        self.past.join(output, input)
    }
}

/// A convolution without bias and the batch norm behind it.
#[derive(Debug)]
struct ConvNorm {
    conv: Convolution,
    norm: nn::BatchNorm,
}

impl ConvNorm {
    fn new(path: &Path, inputs: i64, outputs: i64, shape: Shape) -> Self {
        Self::at(&(path / 0), &(path / 1), inputs, outputs, shape)
    }

    fn at(conv: &Path, norm: &Path, inputs: i64, outputs: i64, shape: Shape) -> Self {
        Self {
            conv: Convolution::new(conv, inputs, outputs, shape, false),
            norm: nn::batch_norm2d(norm, outputs, Default::default()),
        }
    }

    fn folded(&self, activation: Activation) -> Folded {
        self.conv.folded_with(&self.norm, activation)
    }

    fn forward(&self, input: &Tensor, batch_statistics: bool) -> Tensor {
        self.norm.forward_t(&self.conv.forward(input), batch_statistics)
    }
}
