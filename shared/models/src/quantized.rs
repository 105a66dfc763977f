//! A network of convolutions that all end in ReLU6, in 8-bit integers.
//!
//! What goes from one to the next lies between 0 and 6 and is counted in 255ths of that, so that no images are
//! needed to find out how large numbers get. The first convolution, of few numbers and of pixels with a sign, is
//! done in 32 bits and gives bytes.

use agespan_fused::{FusedConvolution, FusedError, QuantizedConvolution};
use tch::{Kind, Tensor};

use crate::convolution::{Activation, Folded, FoldedBlock, Past};

/// What a byte counts.
const STEP: f64 = 6.0 / 255.0;
/// Half a step more, so that cutting off rounds.
const HALF: f64 = 0.5;

/// The convolutions, and the mean over all places behind them.
#[derive(Debug)]
pub(crate) struct Quantized {
    /// Gives the number of steps.
    stem: FusedConvolution,
    layers: Vec<QuantizedConvolution>,
}

impl Quantized {
    pub(crate) fn new(blocks: &[FoldedBlock], mut side: i64) -> Result<Self, FusedError> {
        let mut folded = blocks.iter().flat_map(|block| &block.layers);
        let ends = |layer: &Folded| layer.activation == Activation::Relu6;
        let plain = |block: &FoldedBlock| {
            block.past == Past::Nothing && !block.pooled && block.layers.iter().all(ends)
        };
        if !blocks.iter().all(plain) {
            return Err(FusedError::NotQuantizable);
        }
        let stem = folded.next().ok_or(FusedError::NotQuantizable)?;
        let (geometry, size) = stem.over(&mut side);
        let (weight, bias) = (&stem.weight / STEP, &stem.bias / STEP + HALF);
        let stem =
            FusedConvolution::new(&weight, &bias, geometry, Some(255.0 + HALF), Kind::Float, size)?;
        let pack = |layer: &Folded| {
            let (geometry, size) = layer.over(&mut side);
            QuantizedConvolution::new(&layer.weight, &layer.bias, geometry, STEP, size)
        };
        Ok(Self { stem, layers: folded.map(pack).collect::<Result<_, _>>()? })
    }

    /// Images `[n, 3, h, w]` to features `[n, channels]`.
    pub(crate) fn forward(&self, images: &Tensor) -> Result<Tensor, FusedError> {
        let mut hidden = self.stem.forward(images)?.to_kind(Kind::Uint8);
        for layer in &self.layers {
            hidden = layer.forward(&hidden)?;
        }
        Ok(hidden.mean_dim([2i64, 3].as_slice(), false, Kind::Float) * STEP)
    }
}
