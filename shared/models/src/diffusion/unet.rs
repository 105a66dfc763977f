//! The denoising network: diffusers' `UNet2DConditionModel` (Rombach et al. 2022, arXiv 2112.10752).

use std::iter;

use tch::{Kind, TchError, Tensor};

use super::config::UnetConfig;
use super::layers::{Conv, GroupNorm, silu};
use super::parameters::{Parameters, Variables};
use super::resnet::ResnetSpec;
use super::timestep::{TimestepEmbedding, sinusoidal};
use super::unet_blocks::{Down, Middle, Stage, Up};
use crate::WeightsError;

/// A part of the network.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    In,
    Down(usize),
    Middle,
    Up(usize),
    Out,
}

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
        let time = self.time(timesteps, sample.kind())?;
        let (mut hidden, mut skipped) = (sample.shallow_clone(), Vec::new());
        for part in self.parts() {
            hidden = self.run(part, &hidden, &time, texts, &mut skipped)?;
        }
        Ok(hidden)
    }

    /// Its parts, in the order of their work.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let downs = (0..self.down_blocks.len()).map(Part::Down);
        let ups = (0..self.up_blocks.len()).map(Part::Up);
        iter::once(Part::In).chain(downs).chain([Part::Middle]).chain(ups).chain([Part::Out])
    }

    /// What a part makes of what came out of the one before. Parts on the way down leave on `skipped`
    /// what those on the way up take from there.
    pub(super) fn run(
        &self,
        part: Part,
        hidden: &Tensor,
        time: &Tensor,
        texts: &Tensor,
        skipped: &mut Vec<Tensor>,
    ) -> Result<Tensor, TchError> {
        match part {
            Part::In => {
                let hidden = self.conv_in.forward(&self.centered(hidden)?)?;
                skipped.push(hidden.shallow_clone());
                Ok(hidden)
            }
            Part::Down(index) => self.down_blocks[index].forward(hidden, time, texts, skipped),
            Part::Middle => match &self.mid_block {
                Some(middle) => middle.forward(hidden, time, texts),
                None => Ok(hidden.shallow_clone()),
            },
            Part::Up(index) => self.up_blocks[index].forward(hidden, time, texts, skipped),
            Part::Out => self.conv_out.forward(&silu(self.conv_norm_out.forward(hidden)?)?),
        }
    }

    fn centered(&self, sample: &Tensor) -> Result<Tensor, TchError> {
        match self.config.center_input_sample {
            true => sample.f_mul_scalar(2.0)?.f_sub_scalar(1.0),
            false => Ok(sample.shallow_clone()),
        }
    }

    pub(super) fn time(&self, timesteps: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let config = &self.config;
        let channels = config.block_out_channels[0];
        let waves = sinusoidal(timesteps, channels, config.flip_sin_to_cos, config.freq_shift)?;
        // Every residual block begins with the SiLU of the time, so it is taken once.
        self.time_embedding.forward(&waves.f_to_kind(kind)?)?.f_silu()
    }
}
