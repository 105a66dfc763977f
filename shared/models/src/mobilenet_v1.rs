//! MobileNetV1 (Howard et al. 2017, arXiv 1704.04861, table 1), its batch norms folded into the
//! convolutions, as networks come that were made ready for inference. Fine-tuned like this it
//! needs no statistics of a batch, and serves without any.
//!
//! Padding is the same on all sides, where TensorFlow pads right and below alone when the stride is
//! two: the same features one pixel aside, which training goes over.

use tch::nn::{self, Path};
use tch::{Kind, Tensor};

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
    layers: Vec<nn::Conv2D>,
}

impl MobileNetV1 {
    /// Length of the feature vector.
    pub const FEATURES: i64 = 1024;

    /// Declares the variables below `path`: `features.0` is the stem, then `features.N.depthwise`
    /// and `features.N.pointwise`.
    pub fn new(path: &Path) -> Self {
        let features = path / "features";
        let mut layers = vec![convolution(&(&features / 0), 3, STEM_CHANNELS, 3, 2, 1)];
        let mut inputs = STEM_CHANNELS;
        for (index, (outputs, stride)) in BLOCKS.into_iter().enumerate() {
            let block = &features / (index + 1);
            layers.push(convolution(&(&block / "depthwise"), inputs, inputs, 3, stride, inputs));
            layers.push(convolution(&(&block / "pointwise"), inputs, outputs, 1, 1, 1));
            inputs = outputs;
        }
        Self { layers }
    }

    /// Images `[n, 3, h, w]` to features `[n, 1024]`.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        let mut hidden = images.shallow_clone();
        for layer in &self.layers {
            hidden = hidden.apply(layer).relu6();
        }
        hidden.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }
}

/// A convolution whose padding keeps the size at stride 1.
fn convolution(
    path: &Path,
    inputs: i64,
    outputs: i64,
    kernel: i64,
    stride: i64,
    groups: i64,
) -> nn::Conv2D {
    let config = nn::ConvConfig { stride, padding: kernel / 2, groups, ..Default::default() };
    nn::conv2d(path, inputs, outputs, kernel, config)
}
