//! CLIP's text encoder (Radford et al. 2021, arXiv 2103.00020), as transformers names its parts.

use tch::{Kind, TchError, Tensor};

use super::clip_layer::{ClipLayer, ClipShape};
use super::config::ClipTextConfig;
use super::layers::{Embedding, LayerNorm};
use super::parameters::{Parameters, Variables};
use crate::WeightsError;

/// What the encoder says of `n` texts.
#[derive(Debug)]
pub struct ClipTextOutput {
    /// `[n, length, hidden_size]`: a vector for each token, which Stable Diffusion attends to.
    pub last_hidden_state: Tensor,
    /// `[n, hidden_size]`: the vector of the end of each text.
    pub pooled: Tensor,
}

/// The text encoder.
#[derive(Debug)]
pub struct ClipText {
    config: ClipTextConfig,
    variables: Variables,
    token_embedding: Embedding,
    position_embedding: Embedding,
    layers: Vec<ClipLayer>,
    final_layer_norm: LayerNorm,
}

impl ClipText {
    /// The prefix of the parameters, which newer files leave out.
    pub(crate) const PREFIX: &'static str = "text_model";

    /// Takes its parameters below `text_model.…`.
    pub fn new(config: ClipTextConfig, parameters: &Parameters) -> Result<Self, WeightsError> {
        let p = parameters.below(Self::PREFIX);
        let (embeddings, layers) = (p.below("embeddings"), p.below("encoder.layers"));
        let (size, length) = (config.hidden_size, config.max_position_embeddings);
        let token_embedding =
            Embedding::new(&embeddings.below("token_embedding"), config.vocab_size, size)?;
        let position_embedding =
            Embedding::new(&embeddings.below("position_embedding"), length, size)?;
        let shape = ClipShape {
            hidden_size: size,
            intermediate_size: config.intermediate_size,
            num_attention_heads: config.num_attention_heads,
            hidden_act: config.hidden_act,
            layer_norm_eps: config.layer_norm_eps,
            causal: true,
        };
        let layers = (0..config.num_hidden_layers)
            .map(|index| ClipLayer::new(&layers.below(index), shape))
            .collect::<Result<_, _>>()?;
        let norm = p.below("final_layer_norm");
        let final_layer_norm = LayerNorm::new(&norm, size, config.layer_norm_eps)?;
        let variables = parameters.taken();
        Ok(Self {
            config,
            variables,
            token_embedding,
            position_embedding,
            layers,
            final_layer_norm,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// Its parameters, by name.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Encodes `[n, length]` token numbers; `length` is at most `max_position_embeddings`.
    pub fn forward(&self, tokens: &Tensor) -> Result<ClipTextOutput, TchError> {
        let (_, length) = tokens.size2()?;
        let positions = self.position_embedding.first(length)?;
        let mut hidden = self.token_embedding.forward(tokens)?.f_add(&positions)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden)?;
        }
        let last_hidden_state = self.final_layer_norm.forward(&hidden)?;
        let pooled = self.at_the_end(tokens, &last_hidden_state)?;
        Ok(ClipTextOutput { last_hidden_state, pooled })
    }

    fn at_the_end(&self, tokens: &Tensor, hidden: &Tensor) -> Result<Tensor, TchError> {
        // Configurations written before 2023 say 2 and mean the largest number, which was the end.
        let ends = match self.config.eos_token_id {
            2 => tokens.f_argmax(-1, false)?,
            end => tokens.f_eq(end)?.f_to_kind(Kind::Int64)?.f_argmax(-1, false)?,
        };
        let place = ends.f_view([-1, 1, 1])?.f_expand([-1, 1, self.config.hidden_size], false)?;
        hidden.f_gather(1, &place, false)?.f_squeeze_dim(1)
    }
}
