//! Residual blocks, and halving and doubling of the resolution.

use tch::{TchError, Tensor};

use super::layers::{Conv, GroupNorm, Linear, plus, silu};
use super::parameters::Parameters;
use crate::WeightsError;

/// What the residual blocks of a network have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResnetSpec {
    /// Length of the time's vector; none in an autoencoder.
    pub(crate) time_channels: Option<i64>,
    /// Groups of the norms.
    pub(crate) groups: i64,
    /// The norms' epsilon.
    pub(crate) eps: f64,
}

/// Norm, SiLU, convolution, twice; the time is added in between.
#[derive(Debug)]
pub(crate) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv,
    conv_shortcut: Option<Conv>,
}

impl Resnet {
    pub(crate) fn new(
        p: &Parameters,
        inputs: i64,
        outputs: i64,
        spec: ResnetSpec,
    ) -> Result<Self, WeightsError> {
        let time = spec
            .time_channels
            .map(|channels| Linear::new(&p.below("time_emb_proj"), channels, outputs));
        let shortcut =
            (inputs != outputs).then(|| Conv::new(&p.below("conv_shortcut"), inputs, outputs, 1));
        Ok(Self {
            norm1: GroupNorm::new(&p.below("norm1"), spec.groups, inputs, spec.eps)?,
            conv1: Conv::new(&p.below("conv1"), inputs, outputs, 3)?,
            time_emb_proj: time.transpose()?,
            norm2: GroupNorm::new(&p.below("norm2"), spec.groups, outputs, spec.eps)?,
            conv2: Conv::new(&p.below("conv2"), outputs, outputs, 3)?,
            conv_shortcut: shortcut.transpose()?,
        })
    }

    /// `time` is the time's vector after its SiLU, which all blocks share.
    pub(crate) fn forward(
        &self,
        input: &Tensor,
        time: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        // Assigned anew and not shadowed: what is over is freed before the next layer needs room.
        let mut hidden = silu(self.norm1.forward(input)?)?;
        hidden = self.conv1.forward(&hidden)?;
        if let (Some(projection), Some(time)) = (&self.time_emb_proj, time) {
            let time = projection.forward(time)?;
            hidden = plus(hidden, &time.f_unsqueeze(-1)?.f_unsqueeze(-1)?)?;
        }
        hidden = silu(self.norm2.forward(&hidden)?)?;
        hidden = self.conv2.forward(&hidden)?;
        match &self.conv_shortcut {
            Some(shortcut) => plus(hidden, &shortcut.forward(input)?),
            None => plus(hidden, input),
        }
    }
}

/// A convolution of stride 2.
#[derive(Debug)]
pub(crate) struct Downsample {
    conv: Conv,
    padding: i64,
}

impl Downsample {
    pub(crate) fn new(p: &Parameters, channels: i64, padding: i64) -> Result<Self, WeightsError> {
        let conv = Conv::new(&p.below("downsamplers.0.conv"), channels, channels, 3)?;
        Ok(Self { conv: conv.with_stride(2, padding), padding })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        if self.padding == 0 {
            // Unpadded it would lose the last row and column of an even size.
            return self.conv.forward(&input.f_constant_pad_nd([0, 1, 0, 1])?);
        }
        self.conv.forward(input)
    }
}

/// Each pixel four times, then a convolution.
#[derive(Debug)]
pub(crate) struct Upsample {
    conv: Conv,
}

impl Upsample {
    pub(crate) fn new(p: &Parameters, channels: i64) -> Result<Self, WeightsError> {
        Ok(Self { conv: Conv::new(&p.below("upsamplers.0.conv"), channels, channels, 3)? })
    }

    /// To twice the size, or to `[height, width]` when that is what the way down had.
    pub(crate) fn forward(
        &self,
        input: &Tensor,
        size: Option<[i64; 2]>,
    ) -> Result<Tensor, TchError> {
        let (_, _, height, width) = input.size4()?;
        let size = size.unwrap_or([height * 2, width * 2]);
        self.conv.forward(&input.f_upsample_nearest2d(size, None, None)?)
    }
}
