//! MobileNetV1 (Howard et al. 2017, arXiv 1704.04861, table 1), its batch norms folded into the
//! convolutions, as networks come that were made ready for inference. Fine-tuned like this it
//! needs no statistics of a batch, and serves without any.
//!
//! Padding is the same on all sides, where TensorFlow pads right and below alone when the stride is
//! two: the same features one pixel aside, which training goes over.

use tch::nn::Path;
use tch::{Kind, Tensor};

use crate::convolution::{Activation, Convolution, FoldedBlock, Past, Shape};

/// The separable blocks: output channels and stride.
const BLOCKS: [(i64, i64); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];
const STEM_CHANNELS: i64 = 32;

/// The backbone: an image to a vector of [`MobileNetV1::FEATURES`] numbers.
#[derive(Debug)]
pub struct MobileNetV1 {
    layers: Vec<Convolution>,
}

impl MobileNetV1 {
    /// Length of the feature vector.
    pub const FEATURES: i64 = 1024;

    /// Declares the variables below `path`: `features.0` is the stem, then `features.N.depthwise`
    /// and `features.N.pointwise`.
    pub fn new(path: &Path) -> Self {
        let features = path / "features";
        let convolution = |path: &Path, inputs, outputs, shape| {
            Convolution::new(path, inputs, outputs, shape, true)
        };
        let mut layers = vec![convolution(&(&features / 0), 3, STEM_CHANNELS, Shape::dense(3, 2))];
        let mut inputs = STEM_CHANNELS;
        for (index, (outputs, stride)) in BLOCKS.into_iter().enumerate() {
            let block = &features / (index + 1);
            let depthwise = Shape::depthwise(inputs, stride);
            layers.push(convolution(&(&block / "depthwise"), inputs, inputs, depthwise));
            layers.push(convolution(&(&block / "pointwise"), inputs, outputs, Shape::dense(1, 1)));
            inputs = outputs;
        }
        Self { layers }
    }

    /// The convolutions as inference does them.
    pub(crate) fn folded(&self) -> Vec<FoldedBlock> {
        let layers = self.layers.iter().map(|layer| layer.folded(Activation::Relu6)).collect();
        vec![FoldedBlock { layers, past: Past::Nothing, pooled: false }]
    }

    /// Images `[n, 3, h, w]` to features `[n, 1024]`.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        let mut hidden = images.shallow_clone();
        for layer in &self.layers {
            hidden = layer.forward(&hidden).relu6();
        }
        hidden.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }
}
