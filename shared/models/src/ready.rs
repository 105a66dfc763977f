//! A network made ready to answer: batch norms folded into convolutions, convolutions fused with their
//! activations, weights packed.

use agespan_fused::{FusedConvolution, FusedError, Geometry};
use tch::nn::Linear;
use tch::{Kind, Tensor};

use crate::convolution::{Folded, FoldedBlock, Past, Shape, pooled};
use crate::quantized::Quantized;
use crate::{AgeAnswer, AgeOutput};

/// Weights are packed for batches of so many images, and serve others about as well.
const BATCH: i64 = 8;

/// An [`AgeNet`](crate::AgeNet) that learns no more.
#[derive(Debug)]
pub struct ReadyNet {
    features: Features,
    /// Age and female, one below the other: `[bins + 1, features]`.
    heads: Linear,
}

#[derive(Debug)]
enum Features {
    Floats { blocks: Vec<Block>, kind: Kind },
    Bytes(Quantized),
}

#[derive(Debug)]
struct Block {
    layers: Vec<FusedConvolution>,
    past: Past,
    pooled: bool,
}

impl ReadyNet {
    pub(crate) fn new(
        blocks: Vec<FoldedBlock>,
        [age, female]: [&Linear; 2],
        kind: Kind,
        side: i64,
    ) -> Result<Self, FusedError> {
        let features = tch::no_grad(|| match kind {
            Kind::Int8 => Quantized::new(&blocks, side).map(Features::Bytes),
            kind => Ok(Features::Floats { blocks: packed(&blocks, kind, side)?, kind }),
        })?;
        let both = |of: fn(&Linear) -> Option<&Tensor>| {
            let parts: Vec<&Tensor> = [age, female].into_iter().filter_map(of).collect();
            Tensor::cat(&parts, 0).detach()
        };
        let heads =
            Linear { ws: both(|head| Some(&head.ws)), bs: Some(both(|head| head.bs.as_ref())) };
        Ok(Self { features, heads })
    }

    /// As [`AgeNet::answer`](crate::AgeNet::answer).
    ///
    /// # Errors
    /// When an image is not of the size that it was made ready for.
    pub fn answer(&self, images: &Tensor, mirrored: bool) -> Result<AgeAnswer, FusedError> {
        AgeAnswer::of(images, mirrored, |images| self.forward(images))
    }

    fn forward(&self, images: &Tensor) -> Result<AgeOutput, FusedError> {
        let features = match &self.features {
            Features::Floats { blocks, kind } => through(blocks, images.to_kind(*kind))?,
            Features::Bytes(layers) => layers.forward(images)?,
        };
        let logits = features.apply(&self.heads);
        let bins = logits.size()[1] - 1;
        Ok(AgeOutput {
            age_logits: logits.narrow(1, 0, bins),
            female_logit: logits.select(1, bins),
        })
    }
}

fn packed(blocks: &[FoldedBlock], kind: Kind, mut side: i64) -> Result<Vec<Block>, FusedError> {
    let pack = |layer: &Folded, side: &mut i64| {
        let (geometry, size) = layer.over(side);
        let highest = layer.activation.highest();
        FusedConvolution::new(&layer.weight, &layer.bias, geometry, highest, kind, size)
    };
    let mut pack_block = |block: &FoldedBlock| -> Result<Block, FusedError> {
        let layers = block.layers.iter().map(|layer| pack(layer, &mut side));
        let layers = layers.collect::<Result<_, _>>()?;
        if block.pooled {
            side = (side + 1) / 2;
        }
        Ok(Block { layers, past: block.past, pooled: block.pooled })
    };
    blocks.iter().map(&mut pack_block).collect()
}

fn through(blocks: &[Block], mut hidden: Tensor) -> Result<Tensor, FusedError> {
    for block in blocks {
        let Some((last, first)) = block.layers.split_last() else { continue };
        let mut within = hidden.shallow_clone();
        for layer in first {
            within = layer.forward(&within)?;
        }
        hidden = match block.past {
            Past::Input => last.forward_onto(&within, &hidden, false)?,
            Past::InputThenRelu => last.forward_onto(&within, &hidden, true)?,
            past => past.join(last.forward(&within)?, &hidden),
        };
        if block.pooled {
            hidden = pooled(&hidden);
        }
    }
    Ok(hidden.mean_dim([2i64, 3].as_slice(), false, Kind::Float))
}

impl Folded {
    /// How it goes over images of `side` pixels, and their size; `side` is that of its outputs afterwards.
    pub(crate) fn over(&self, side: &mut i64) -> (Geometry, [i64; 4]) {
        let Shape { kernel, stride, groups } = self.shape;
        let (padding, inputs) = (kernel / 2, self.weight.size()[1] * groups);
        let size = [BATCH, inputs, *side, *side];
        *side = (*side + 2 * padding - kernel) / stride + 1;
        (Geometry { stride, padding: [padding; 2], groups }, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgeNet, Backbone, Learning, NetSpec};
    use agespan_fused::QuantizedConvolution;
    use tch::Device;
    use tch::nn::VarStore;

    #[test]
    fn it_answers_as_the_network_that_it_was_made_from() {
        for backbone in Backbone::ALL {
            let store = VarStore::new(Device::Cpu);
            let net = AgeNet::new(&store.root(), NetSpec { backbone, ..NetSpec::default() });
            let face = |n: i64| Tensor::rand([n, 3, 64, 64], (Kind::Float, Device::Cpu));
            // Statistics of a batch, so that there is something to fold.
            tch::no_grad(|| net.forward(&(face(16) * 2.0 - 0.7), Learning::All));
            let faces = face(5);
            let expected = net.answer(&faces, true);
            for (kind, bound) in [(Kind::Float, 1e-5), (Kind::BFloat16, 2e-2), (Kind::Int8, 2e-2)] {
                let ready = net.ready(kind, 64);
                if kind == Kind::Int8 && backbone != Backbone::MobileNetV1 {
                    assert!(matches!(ready, Err(FusedError::NotQuantizable)));
                    continue;
                }
                if kind == Kind::Int8 && !QuantizedConvolution::is_possible() {
                    assert!(matches!(ready, Err(FusedError::Processor)));
                    continue;
                }
                let found = ready.unwrap().answer(&faces, true).unwrap();
                for (found, expected) in [
                    (&found.distribution, &expected.distribution),
                    (&found.probability_female, &expected.probability_female),
                ] {
                    assert_eq!(found.size(), expected.size());
                    let off = (found - expected).abs().max().double_value(&[]);
                    assert!(off < bound, "{backbone:?} {kind:?}: {off}");
                }
            }
        }
    }
}
