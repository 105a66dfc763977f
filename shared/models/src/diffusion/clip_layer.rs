//! A layer of CLIP's transformers, of texts and of images alike.

use tch::{TchError, Tensor};

use super::attention::attend;
use super::config::Activation;
use super::layers::{LayerNorm, Linear};
use super::parameters::Parameters;
use crate::WeightsError;

/// What all layers of a transformer have in common, by transformers' names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClipShape {
    pub(crate) hidden_size: i64,
    pub(crate) intermediate_size: i64,
    pub(crate) num_attention_heads: i64,
    pub(crate) hidden_act: Activation,
    pub(crate) layer_norm_eps: f64,
    /// Whether a place sees only those before it, as in texts.
    pub(crate) causal: bool,
}

#[derive(Debug)]
pub(crate) struct ClipLayer {
    layer_norm1: LayerNorm,
    projections: [Linear; 3],
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    shape: ClipShape,
}

impl ClipLayer {
    pub(crate) fn new(p: &Parameters, shape: ClipShape) -> Result<Self, WeightsError> {
        let (size, width) = (shape.hidden_size, shape.intermediate_size);
        let norm = |name| LayerNorm::new(&p.below(name), size, shape.layer_norm_eps);
        let projection = |name| Linear::new(&p.below("self_attn").below(name), size, size);
        Ok(Self {
            layer_norm1: norm("layer_norm1")?,
            projections: [projection("q_proj")?, projection("k_proj")?, projection("v_proj")?],
            out_proj: projection("out_proj")?,
            layer_norm2: norm("layer_norm2")?,
            fc1: Linear::new(&p.below("mlp.fc1"), size, width)?,
            fc2: Linear::new(&p.below("mlp.fc2"), width, size)?,
            shape,
        })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let normed = self.layer_norm1.forward(input)?;
        let [query, key, value] = &self.projections;
        let (query, key) = (query.forward(&normed)?, key.forward(&normed)?);
        let value = value.forward(&normed)?;
        let attended =
            attend([&query, &key, &value], self.shape.num_attention_heads, self.shape.causal)?;
        let hidden = self.out_proj.forward(&attended)?.f_add(input)?;
        let wide = self.fc1.forward(&self.layer_norm2.forward(&hidden)?)?;
        let wide = match self.shape.hidden_act {
            Activation::QuickGelu => wide.f_mul(&wide.f_mul_scalar(1.702)?.f_sigmoid()?)?,
            Activation::Gelu => wide.f_gelu("none")?,
        };
        self.fc2.forward(&wide)?.f_add(&hidden)
    }
}
