//! Attention and the transformer blocks around it.
//!
//! The scores are never held: libtorch's scaled dot product attention works through them in pieces.

use tch::{TchError, Tensor};

use super::layers::{Conv, GroupNorm, LayerNorm, Linear, plus};
use super::parameters::Parameters;
use crate::WeightsError;

/// Attention over `heads` parts of `[n, length, channels]` tensors.
pub(crate) fn attend(
    [query, key, value]: [&Tensor; 3],
    heads: i64,
    causal: bool,
) -> Result<Tensor, TchError> {
    let (count, length, channels) = query.size3()?;
    let split =
        |tensor: &Tensor| tensor.f_view([count, -1, heads, channels / heads])?.f_transpose(1, 2);
    let (query, key, value) = (split(query)?, split(key)?, split(value)?);
    Tensor::f_scaled_dot_product_attention(
        &query,
        &key,
        &value,
        None::<Tensor>,
        0.0,
        causal,
        None,
        false,
    )?
    .f_transpose(1, 2)?
    .f_reshape([count, length, channels])
}

/// Attention with its projections, to itself or to a context.
#[derive(Debug)]
pub(crate) struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: i64,
}

impl Attention {
    pub(crate) fn new(
        p: &Parameters,
        channels: i64,
        context: i64,
        heads: i64,
    ) -> Result<Self, WeightsError> {
        Ok(Self {
            to_q: Linear::without_bias(&p.below("to_q"), channels, channels)?,
            to_k: Linear::without_bias(&p.below("to_k"), context, channels)?,
            to_v: Linear::without_bias(&p.below("to_v"), context, channels)?,
            to_out: Linear::new(&p.below("to_out.0"), channels, channels)?,
            heads,
        })
    }

    pub(crate) fn forward(&self, input: &Tensor, context: &Tensor) -> Result<Tensor, TchError> {
        let query = self.to_q.forward(input)?;
        let (key, value) = (self.to_k.forward(context)?, self.to_v.forward(context)?);
        self.to_out.forward(&attend([&query, &key, &value], self.heads, false)?)
    }
}

/// The attention of an autoencoder's middle: one head over all pixels.
#[derive(Debug)]
pub(crate) struct PixelAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl PixelAttention {
    pub(crate) fn new(
        p: &Parameters,
        channels: i64,
        groups: i64,
        eps: f64,
    ) -> Result<Self, WeightsError> {
        let linear = |name| Linear::new(&p.below(name), channels, channels);
        Ok(Self {
            group_norm: GroupNorm::new(&p.below("group_norm"), groups, channels, eps)?,
            to_q: linear("to_q")?,
            to_k: linear("to_k")?,
            to_v: linear("to_v")?,
            to_out: linear("to_out.0")?,
        })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let shape = input.size();
        let pixels = self.group_norm.forward(input)?.f_flatten(2, 3)?.f_transpose(1, 2)?;
        let (query, key) = (self.to_q.forward(&pixels)?, self.to_k.forward(&pixels)?);
        let value = self.to_v.forward(&pixels)?;
        let hidden = self.to_out.forward(&attend([&query, &key, &value], 1, false)?)?;
        plus(hidden.f_transpose(1, 2)?.f_reshape(shape)?, input)
    }
}

/// Attention to itself, attention to the text, and a gated feed-forward layer.
#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    gated: Linear,
    out: Linear,
}

impl Block {
    const EPS: f64 = 1e-5;
    /// Width of the feed-forward layer in channels.
    const WIDENING: i64 = 4;

    fn new(p: &Parameters, channels: i64, spec: TransformerSpec) -> Result<Self, WeightsError> {
        let norm = |name| LayerNorm::new(&p.below(name), channels, Self::EPS);
        let attention =
            |name, context| Attention::new(&p.below(name), channels, context, spec.heads);
        let width = channels * Self::WIDENING;
        Ok(Self {
            norm1: norm("norm1")?,
            attn1: attention("attn1", channels)?,
            norm2: norm("norm2")?,
            attn2: attention("attn2", spec.context)?,
            norm3: norm("norm3")?,
            gated: Linear::new(&p.below("ff.net.0.proj"), channels, width * 2)?,
            out: Linear::new(&p.below("ff.net.2"), width, channels)?,
        })
    }

    fn forward(&self, input: &Tensor, context: &Tensor) -> Result<Tensor, TchError> {
        let mut normed = self.norm1.forward(input)?;
        let mut hidden = plus(self.attn1.forward(&normed, &normed)?, input)?;
        normed = self.norm2.forward(&hidden)?;
        hidden = plus(self.attn2.forward(&normed, context)?, &hidden)?;
        normed = self.norm3.forward(&hidden)?;
        let gated = self.gate(&normed)?;
        drop(normed);
        plus(self.out.forward(&gated)?, &hidden)
    }

    /// The half of the widened vectors that goes on, times the GELU of the other.
    fn gate(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let halves = self.gated.forward(input)?.f_chunk(2, -1)?;
        halves[1].f_gelu("none")?.f_mul_(&halves[0])
    }
}

/// What the transformers of one resolution have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransformerSpec {
    pub(crate) heads: i64,
    /// Length of the text's vectors.
    pub(crate) context: i64,
    /// Blocks one after the other.
    pub(crate) blocks: i64,
    pub(crate) groups: i64,
    /// Linear layers in place of 1x1 convolutions at both ends.
    pub(crate) linear_projection: bool,
}

#[derive(Debug)]
enum Projection {
    Conv(Conv),
    Linear(Linear),
}

/// A transformer over the pixels of `[n, channels, height, width]`.
#[derive(Debug)]
pub(crate) struct Transformer {
    norm: GroupNorm,
    proj_in: Projection,
    blocks: Vec<Block>,
    proj_out: Projection,
}

impl Transformer {
    const EPS: f64 = 1e-6;

    pub(crate) fn new(
        p: &Parameters,
        channels: i64,
        spec: TransformerSpec,
    ) -> Result<Self, WeightsError> {
        let projection = |name| {
            let place = p.below(name);
            if spec.linear_projection {
                Linear::new(&place, channels, channels).map(Projection::Linear)
            } else {
                Conv::new(&place, channels, channels, 1).map(Projection::Conv)
            }
        };
        let block = |index| Block::new(&p.below("transformer_blocks").below(index), channels, spec);
        Ok(Self {
            norm: GroupNorm::new(&p.below("norm"), spec.groups, channels, Self::EPS)?,
            proj_in: projection("proj_in")?,
            blocks: (0..spec.blocks).map(block).collect::<Result<_, _>>()?,
            proj_out: projection("proj_out")?,
        })
    }

    pub(crate) fn forward(&self, input: &Tensor, context: &Tensor) -> Result<Tensor, TchError> {
        let (count, channels, height, width) = input.size4()?;
        let rows = |image: &Tensor| {
            image.f_permute([0, 2, 3, 1])?.f_reshape([count, height * width, channels])
        };
        let image = |rows: &Tensor| {
            rows.f_reshape([count, height, width, channels])?
                .f_permute([0, 3, 1, 2])?
                .f_contiguous()
        };
        let mut hidden = self.norm.forward(input)?;
        hidden = match &self.proj_in {
            Projection::Conv(conv) => rows(&conv.forward(&hidden)?)?,
            Projection::Linear(linear) => linear.forward(&rows(&hidden)?)?,
        };
        for block in &self.blocks {
            hidden = block.forward(&hidden, context)?;
        }
        hidden = match &self.proj_out {
            Projection::Conv(conv) => conv.forward(&image(&hidden)?)?,
            Projection::Linear(linear) => image(&linear.forward(&hidden)?)?,
        };
        plus(hidden, input)
    }
}
