//! The two halves of the autoencoder.

use tch::{TchError, Tensor};

use super::attention::PixelAttention;
use super::config::VaeConfig;
use super::layers::{Conv, GroupNorm, silu};
use super::parameters::Parameters;
use super::resnet::{Downsample, Resnet, ResnetSpec, Upsample};
use crate::WeightsError;

const EPS: f64 = 1e-6;

fn spec(config: &VaeConfig) -> ResnetSpec {
    ResnetSpec { time_channels: None, groups: config.norm_num_groups, eps: EPS }
}

fn resnets(
    p: &Parameters,
    count: i64,
    inputs: i64,
    outputs: i64,
    spec: ResnetSpec,
) -> Result<Vec<Resnet>, WeightsError> {
    let resnet = |index| {
        let inputs = if index == 0 { inputs } else { outputs };
        Resnet::new(&p.below("resnets").below(index), inputs, outputs, spec)
    };
    (0..count).map(resnet).collect()
}

/// Two residual blocks with attention between them.
#[derive(Debug)]
struct Middle {
    first: Resnet,
    attention: Option<PixelAttention>,
    last: Resnet,
}

impl Middle {
    fn new(p: &Parameters, config: &VaeConfig) -> Result<Self, WeightsError> {
        let channels = config.block_out_channels[config.block_out_channels.len() - 1];
        let resnet = |name| Resnet::new(&p.below(name), channels, channels, spec(config));
        let attention = config.mid_block_add_attention.then(|| {
            let place = p.below("attentions.0");
            PixelAttention::new(&place, channels, config.norm_num_groups, EPS)
        });
        Ok(Self {
            first: resnet("resnets.0")?,
            attention: attention.transpose()?,
            last: resnet("resnets.1")?,
        })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let mut hidden = self.first.forward(input, None)?;
        if let Some(attention) = &self.attention {
            hidden = attention.forward(&hidden)?;
        }
        self.last.forward(&hidden, None)
    }
}

/// Images to the moments of latents.
#[derive(Debug)]
pub(crate) struct Encoder {
    conv_in: Conv,
    down_blocks: Vec<(Vec<Resnet>, Option<Downsample>)>,
    mid_block: Middle,
    conv_norm_out: GroupNorm,
    conv_out: Conv,
}

impl Encoder {
    pub(crate) fn new(p: &Parameters, config: &VaeConfig) -> Result<Self, WeightsError> {
        let channels = &config.block_out_channels;
        let last = channels.len() - 1;
        let block = |index: usize| {
            let place = p.below("down_blocks").below(index);
            let (inputs, outputs) = (channels[index.saturating_sub(1)], channels[index]);
            let resnets = resnets(&place, config.layers_per_block, inputs, outputs, spec(config))?;
            let downsample = (index < last).then(|| Downsample::new(&place, outputs, 0));
            Ok((resnets, downsample.transpose()?))
        };
        Ok(Self {
            conv_in: Conv::new(&p.below("conv_in"), config.in_channels, channels[0], 3)?,
            down_blocks: (0..=last).map(block).collect::<Result<_, WeightsError>>()?,
            mid_block: Middle::new(&p.below("mid_block"), config)?,
            conv_norm_out: GroupNorm::new(
                &p.below("conv_norm_out"),
                config.norm_num_groups,
                channels[last],
                EPS,
            )?,
            conv_out: Conv::new(
                &p.below("conv_out"),
                channels[last],
                config.latent_channels * 2,
                3,
            )?,
        })
    }

    pub(crate) fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut hidden = self.conv_in.forward(images)?;
        for (resnets, downsample) in &self.down_blocks {
            for resnet in resnets {
                hidden = resnet.forward(&hidden, None)?;
            }
            if let Some(downsample) = downsample {
                hidden = downsample.forward(&hidden)?;
            }
        }
        hidden = self.mid_block.forward(&hidden)?;
        hidden = silu(self.conv_norm_out.forward(&hidden)?)?;
        self.conv_out.forward(&hidden)
    }
}

/// Latents to images.
#[derive(Debug)]
pub(crate) struct Decoder {
    conv_in: Conv,
    mid_block: Middle,
    up_blocks: Vec<(Vec<Resnet>, Option<Upsample>)>,
    conv_norm_out: GroupNorm,
    conv_out: Conv,
}

impl Decoder {
    pub(crate) fn new(p: &Parameters, config: &VaeConfig) -> Result<Self, WeightsError> {
        let channels: Vec<i64> = config.block_out_channels.iter().rev().copied().collect();
        let last = channels.len() - 1;
        let block = |index: usize| {
            let place = p.below("up_blocks").below(index);
            let (inputs, outputs) = (channels[index.saturating_sub(1)], channels[index]);
            let count = config.layers_per_block + 1;
            let resnets = resnets(&place, count, inputs, outputs, spec(config))?;
            let upsample = (index < last).then(|| Upsample::new(&place, outputs));
            Ok((resnets, upsample.transpose()?))
        };
        Ok(Self {
            conv_in: Conv::new(&p.below("conv_in"), config.latent_channels, channels[0], 3)?,
            mid_block: Middle::new(&p.below("mid_block"), config)?,
            up_blocks: (0..=last).map(block).collect::<Result<_, WeightsError>>()?,
            conv_norm_out: GroupNorm::new(
                &p.below("conv_norm_out"),
                config.norm_num_groups,
                channels[last],
                EPS,
            )?,
            conv_out: Conv::new(&p.below("conv_out"), channels[last], config.out_channels, 3)?,
        })
    }

    pub(crate) fn forward(&self, latents: &Tensor) -> Result<Tensor, TchError> {
        let mut hidden = self.mid_block.forward(&self.conv_in.forward(latents)?)?;
        for (resnets, upsample) in &self.up_blocks {
            for resnet in resnets {
                hidden = resnet.forward(&hidden, None)?;
            }
            if let Some(upsample) = upsample {
                hidden = upsample.forward(&hidden, None)?;
            }
        }
        hidden = silu(self.conv_norm_out.forward(&hidden)?)?;
        self.conv_out.forward(&hidden)
    }
}
