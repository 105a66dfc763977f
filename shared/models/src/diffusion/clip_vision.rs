//! CLIP's image encoder (Radford et al. 2021, arXiv 2103.00020): a vision transformer (Dosovitskiy et
//! al. 2020, arXiv 2010.11929), as transformers names its parts.

use tch::{TchError, Tensor};

use super::clip_layer::{ClipLayer, ClipShape};
use super::layers::{Embedding, LayerNorm};
use super::parameters::{Parameters, Start};
use super::safety_config::ClipVisionConfig;
use crate::WeightsError;

/// The image encoder.
#[derive(Debug)]
pub struct ClipVision {
    config: ClipVisionConfig,
    class_embedding: Tensor,
    patch_embedding: Tensor,
    position_embedding: Embedding,
    pre_norm: LayerNorm,
    layers: Vec<ClipLayer>,
    post_norm: LayerNorm,
}

impl ClipVision {
    /// The prefix of the parameters, which older files have twice.
    pub(crate) const PREFIX: &'static str = "vision_model";

    /// Takes its parameters below `vision_model.…`.
    pub fn new(config: ClipVisionConfig, parameters: &Parameters) -> Result<Self, WeightsError> {
        let p = parameters.below(Self::PREFIX);
        let (embeddings, layers) = (p.below("embeddings"), p.below("encoder.layers"));
        let (size, patch) = (config.hidden_size, config.patch_size);
        let shape = ClipShape {
            hidden_size: size,
            intermediate_size: config.intermediate_size,
            num_attention_heads: config.num_attention_heads,
            hidden_act: config.hidden_act,
            layer_norm_eps: config.layer_norm_eps,
            causal: false,
        };
        let norm = |name| LayerNorm::new(&p.below(name), size, config.layer_norm_eps);
        let start = Start::Normal(0.02);
        let kernel = [size, config.num_channels, patch, patch];
        let places = config.patches() + 1;
        Ok(Self {
            class_embedding: embeddings.take("class_embedding", &[size], start)?,
            patch_embedding: embeddings.below("patch_embedding").take("weight", &kernel, start)?,
            position_embedding: Embedding::new(
                &embeddings.below("position_embedding"),
                places,
                size,
            )?,
            // The misspelling is the checkpoints'.
            pre_norm: norm("pre_layrnorm")?,
            layers: (0..config.num_hidden_layers)
                .map(|index| ClipLayer::new(&layers.below(index), shape))
                .collect::<Result<_, _>>()?,
            post_norm: norm("post_layernorm")?,
            config,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }

    /// Encodes `[n, num_channels, image_size, image_size]` to `[n, hidden_size]`: the vector of each
    /// image as a whole.
    ///
    /// # Errors
    /// When the images are of another shape.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let patch = [self.config.patch_size; 2];
        let patches =
            images.f_conv2d(&self.patch_embedding, None::<&Tensor>, patch, [0, 0], [1, 1], 1)?;
        let patches = patches.f_flatten(2, 3)?.f_transpose(1, 2)?;
        let count = patches.size()[0];
        let class = self.class_embedding.f_expand([count, 1, self.config.hidden_size], false)?;
        let places = self.position_embedding.first(self.config.patches() + 1)?;
        let mut hidden = Tensor::f_cat(&[class, patches], 1)?.f_add(&places)?;
        hidden = self.pre_norm.forward(&hidden)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden)?;
        }
        self.post_norm.forward(&hidden.f_select(1, 0)?)
    }
}
