//! The stages of the UNet: down, middle, up.

use tch::{TchError, Tensor};

use super::attention::{Transformer, TransformerSpec};
use super::config::{UnetBlock, UnetConfig, UnetMiddle};
use super::parameters::Parameters;
use super::resnet::{Downsample, Resnet, ResnetSpec, Upsample};
use crate::WeightsError;

/// What the blocks at one resolution have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    /// 0 is the finest.
    index: usize,
    channels: i64,
    resnet: ResnetSpec,
    transformer: TransformerSpec,
}

impl Stage {
    pub(crate) fn new(config: &UnetConfig, index: usize, resnet: ResnetSpec) -> Self {
        let transformer = TransformerSpec {
            heads: config.heads[index],
            context: config.cross_attention_dim[index],
            blocks: config.transformer_layers[index],
            groups: config.norm_num_groups,
            linear_projection: config.use_linear_projection,
        };
        Self { index, channels: config.block_out_channels[index], resnet, transformer }
    }
}

/// A residual block, and the transformer after it where the stage attends to the text.
#[derive(Debug)]
struct Layer {
    resnet: Resnet,
    attention: Option<Transformer>,
}

impl Layer {
    fn new(
        p: &Parameters,
        index: i64,
        inputs: i64,
        kind: UnetBlock,
        stage: Stage,
    ) -> Result<Self, WeightsError> {
        let resnet = p.below("resnets").below(index);
        let attention = p.below("attentions").below(index);
        let attention = (kind == UnetBlock::CrossAttention)
            .then(|| Transformer::new(&attention, stage.channels, stage.transformer));
        Ok(Self {
            resnet: Resnet::new(&resnet, inputs, stage.channels, stage.resnet)?,
            attention: attention.transpose()?,
        })
    }

    fn forward(&self, input: &Tensor, time: &Tensor, texts: &Tensor) -> Result<Tensor, TchError> {
        let hidden = self.resnet.forward(input, Some(time))?;
        match &self.attention {
            Some(attention) => attention.forward(&hidden, texts),
            None => Ok(hidden),
        }
    }
}

/// A stage on the way down.
#[derive(Debug)]
pub(crate) struct Down {
    layers: Vec<Layer>,
    downsample: Option<Downsample>,
}

impl Down {
    pub(crate) fn new(
        p: &Parameters,
        config: &UnetConfig,
        stage: Stage,
    ) -> Result<Self, WeightsError> {
        let before = config.block_out_channels[stage.index.saturating_sub(1)];
        let layers = (0..config.layers_per_block[stage.index]).map(|index| {
            let inputs = if index == 0 { before } else { stage.channels };
            Layer::new(p, index, inputs, config.down_blocks[stage.index], stage)
        });
        let layers = layers.collect::<Result<_, _>>()?;
        let downsample = (stage.index + 1 < config.stages())
            .then(|| Downsample::new(p, stage.channels, config.downsample_padding));
        Ok(Self { layers, downsample: downsample.transpose()? })
    }

    /// Leaves what the way up needs again on `skipped`.
    pub(crate) fn forward(
        &self,
        input: &Tensor,
        time: &Tensor,
        texts: &Tensor,
        skipped: &mut Vec<Tensor>,
    ) -> Result<Tensor, TchError> {
        let mut hidden = input.shallow_clone();
        for layer in &self.layers {
            hidden = layer.forward(&hidden, time, texts)?;
            skipped.push(hidden.shallow_clone());
        }
        if let Some(downsample) = &self.downsample {
            hidden = downsample.forward(&hidden)?;
            skipped.push(hidden.shallow_clone());
        }
        Ok(hidden)
    }
}

/// The middle of the UNet.
#[derive(Debug)]
pub(crate) struct Middle {
    first: Resnet,
    rest: Option<(Transformer, Resnet)>,
}

impl Middle {
    pub(crate) fn new(
        p: &Parameters,
        kind: UnetMiddle,
        stage: Stage,
    ) -> Result<Option<Self>, WeightsError> {
        let channels = stage.channels;
        let resnet = |name| Resnet::new(&p.below(name), channels, channels, stage.resnet);
        let rest = match kind {
            UnetMiddle::None => return Ok(None),
            UnetMiddle::Plain => None,
            UnetMiddle::CrossAttention => {
                let place = p.below("attentions.0");
                let attention = Transformer::new(&place, channels, stage.transformer)?;
                Some((attention, resnet("resnets.1")?))
            }
        };
        Ok(Some(Self { first: resnet("resnets.0")?, rest }))
    }

    pub(crate) fn forward(
        &self,
        input: &Tensor,
        time: &Tensor,
        texts: &Tensor,
    ) -> Result<Tensor, TchError> {
        let hidden = self.first.forward(input, Some(time))?;
        match &self.rest {
            Some((attention, last)) => {
                last.forward(&attention.forward(&hidden, texts)?, Some(time))
            }
            None => Ok(hidden),
        }
    }
}

/// A stage on the way up.
#[derive(Debug)]
pub(crate) struct Up {
    layers: Vec<Layer>,
    upsample: Option<Upsample>,
}

impl Up {
    pub(crate) fn new(
        p: &Parameters,
        config: &UnetConfig,
        stage: Stage,
    ) -> Result<Self, WeightsError> {
        let channels = &config.block_out_channels;
        let below = channels[(stage.index + 1).min(channels.len() - 1)];
        let before = channels[stage.index.saturating_sub(1)];
        let kind = config.up_blocks[channels.len() - 1 - stage.index];
        // One more layer than on the way down: for what went into the stage.
        let count = config.layers_per_block[stage.index] + 1;
        let layers = (0..count).map(|index| {
            let inputs = if index == 0 { below } else { stage.channels };
            let skipped = if index == count - 1 { before } else { stage.channels };
            Layer::new(p, index, inputs + skipped, kind, stage)
        });
        let layers = layers.collect::<Result<_, _>>()?;
        let upsample = (stage.index > 0).then(|| Upsample::new(p, stage.channels));
        Ok(Self { layers, upsample: upsample.transpose()? })
    }

    /// Takes from `skipped` what the way down left there.
    pub(crate) fn forward(
        &self,
        input: &Tensor,
        time: &Tensor,
        texts: &Tensor,
        skipped: &mut Vec<Tensor>,
    ) -> Result<Tensor, TchError> {
        let mut hidden = input.shallow_clone();
        for layer in &self.layers {
            let skip = skipped.pop().expect("each layer on the way down has one on the way up");
            hidden = Tensor::f_cat(&[hidden, skip], 1)?;
            hidden = layer.forward(&hidden, time, texts)?;
        }
        let Some(upsample) = &self.upsample else { return Ok(hidden) };
        // An odd size was rounded up on the way down, and twice that would be one too many.
        let size = skipped.last().map(|next| {
            let size = next.size();
            [size[2], size[3]]
        });
        upsample.forward(&hidden, size)
    }
}
