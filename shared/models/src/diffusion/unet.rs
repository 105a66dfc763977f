//! The denoising network: diffusers' `UNet2DConditionModel` (Rombach et al. 2022, arXiv 2112.10752).

use tch::{TchError, Tensor};

use super::config::UnetConfig;
use super::layers::{Conv, GroupNorm, silu};
use super::parameters::{Parameters, Variables};
use super::resnet::ResnetSpec;
use super::timestep::{TimestepEmbedding, sinusoidal};
use super::unet_blocks::{Down, Middle, Stage, Up};
use crate::WeightsError;

/// The denoising network.
#[derive(Debug)]
pub struct Unet {
    config: UnetConfig,
    variables: Variables,
    conv_in: Conv,
    time_embedding: TimestepEmbedding,
    down_blocks: Vec<Down>,
    mid_block: Option<Middle>,
    up_blocks: Vec<Up>,
    conv_norm_out: GroupNorm,
    conv_out: Conv,
}

impl Unet {
    /// Takes its parameters, named as the checkpoint's.
    pub fn new(config: UnetConfig, parameters: &Parameters) -> Result<Self, WeightsError> {
        let p = parameters;
        let channels = &config.block_out_channels;
        let (first, time) = (channels[0], config.time_embedding_dim);
        let spec = ResnetSpec {
            time_channels: Some(time),
            groups: config.norm_num_groups,
            eps: config.norm_eps,
        };
        let stage = |index| Stage::new(&config, index, spec);
        let count = config.stages();

        let conv_in =
            Conv::new(&p.below("conv_in"), config.in_channels, first, config.conv_in_kernel)?;
        let time_embedding = TimestepEmbedding::new(&p.below("time_embedding"), first, time)?;
        let down_blocks = (0..count)
            .map(|index| Down::new(&p.below("down_blocks").below(index), &config, stage(index)))
            .collect::<Result<_, _>>()?;
        let mid_block = Middle::new(&p.below("mid_block"), config.middle, stage(count - 1))?;
        let up_blocks = (0..count)
            .map(|index| {
                Up::new(&p.below("up_blocks").below(index), &config, stage(count - 1 - index))
            })
            .collect::<Result<_, _>>()?;
        let conv_norm_out =
            GroupNorm::new(&p.below("conv_norm_out"), spec.groups, first, config.norm_eps)?;
        let conv_out =
            Conv::new(&p.below("conv_out"), first, config.out_channels, config.conv_out_kernel)?;
        let variables = parameters.taken();
        Ok(Self {
            config,
            variables,
            conv_in,
            time_embedding,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out,
            conv_out,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Its parameters, by name. They share their memory with the network: what a training step
    /// changes is changed in both.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// What the network predicts for noisy samples `[n, in_channels, h, w]` at the times `[n]` and
    /// the texts `[n, length, cross_attention_dim]`; all are of the network's kind, save the times.
    pub fn forward(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        texts: &Tensor,
    ) -> Result<Tensor, TchError> {
        let time = self.time(timesteps, sample)?;
        let sample = if self.config.center_input_sample {
            sample.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?
        } else {
            sample.shallow_clone()
        };
        let mut hidden = self.conv_in.forward(&sample)?;
        let mut skipped = vec![hidden.shallow_clone()];
        for block in &self.down_blocks {
            hidden = block.forward(&hidden, &time, texts, &mut skipped)?;
        }
        if let Some(middle) = &self.mid_block {
            hidden = middle.forward(&hidden, &time, texts)?;
        }
        for block in &self.up_blocks {
            hidden = block.forward(&hidden, &time, texts, &mut skipped)?;
        }
        hidden = silu(self.conv_norm_out.forward(&hidden)?)?;
        self.conv_out.forward(&hidden)
    }

    fn time(&self, timesteps: &Tensor, sample: &Tensor) -> Result<Tensor, TchError> {
        let config = &self.config;
        let channels = config.block_out_channels[0];
        let waves = sinusoidal(timesteps, channels, config.flip_sin_to_cos, config.freq_shift)?;
        // Every residual block begins with the SiLU of the time, so it is taken once.
        self.time_embedding.forward(&waves.f_to_kind(sample.kind())?)?.f_silu()
    }
}
