//! The residual network of dlib's face recognition (King 2017, `dlib_face_recognition_resnet_model_v1`): 29
//! convolutions in the manner of ResNet-34 (He et al. 2016, arXiv 1512.03385, table 1) with half of its channels, their
//! batch norms folded, as it is shipped.
//!
//! Where a block halves the picture, what goes past its convolutions is averaged over squares of two pixels, and
//! channels that it lacks are zeros. Padding is the same on all sides, where dlib has none when the stride is two:
//! the same features a pixel aside, which training goes over.

use tch::nn::Path;
use tch::{Kind, Tensor};

use crate::convolution::{Activation, Convolution, FoldedBlock, Past, Shape, pooled};

/// The blocks: output channels, and whether the picture is halved.
const BLOCKS: [(i64, bool); 14] = [
    (32, false),
    (32, false),
    (32, false),
    (64, true),
    (64, false),
    (64, false),
    (64, false),
    (128, true),
    (128, false),
    (128, false),
    (256, true),
    (256, false),
    (256, false),
    (256, true),
];
const STEM_CHANNELS: i64 = 32;

/// The backbone: an image to a vector of [`FaceResNet::FEATURES`] numbers.
#[derive(Debug)]
pub struct FaceResNet {
    stem: Convolution,
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    first: Convolution,
    second: Convolution,
    past: Past,
}

impl FaceResNet {
    /// Length of the feature vector.
    pub const FEATURES: i64 = 256;

    /// Declares the variables below `path`: `features.0` is the stem, then `features.N.first` and
    /// `features.N.second`.
    pub fn new(path: &Path) -> Self {
        let features = path / "features";
        let stem = Convolution::new(&(&features / 0), 3, STEM_CHANNELS, Shape::dense(7, 2), true);
        let (mut blocks, mut inputs) = (Vec::new(), STEM_CHANNELS);
        for (index, (outputs, halved)) in BLOCKS.into_iter().enumerate() {
            let place = &features / (index + 1);
            let convolution = |name: &str, inputs, stride| {
                Convolution::new(&(&place / name), inputs, outputs, Shape::dense(3, stride), true)
            };
            blocks.push(Block {
                first: convolution("first", inputs, if halved { 2 } else { 1 }),
                second: convolution("second", outputs, 1),
                past: if halved { Past::HalvedThenRelu } else { Past::InputThenRelu },
            });
            inputs = outputs;
        }
        Self { stem, blocks }
    }

    /// The convolutions as inference does them.
    pub(crate) fn folded(&self) -> Vec<FoldedBlock> {
        let stem = self.stem.folded(Activation::Relu);
        let stem = FoldedBlock { layers: vec![stem], past: Past::Nothing, pooled: true };
        let block = |block: &Block| {
            let layers = vec![
                block.first.folded(Activation::Relu),
                block.second.folded(Activation::Nothing),
            ];
            FoldedBlock { layers, past: block.past, pooled: false }
        };
        [stem].into_iter().chain(self.blocks.iter().map(block)).collect()
    }

    /// Images `[n, 3, h, w]` to features `[n, 256]`.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        let mut hidden = pooled(&self.stem.forward(images).relu());
        for block in &self.blocks {
            let within = block.second.forward(&block.first.forward(&hidden).relu());
            hidden = block.past.join(within, &hidden);
        }
        hidden.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }
}
