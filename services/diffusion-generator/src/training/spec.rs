//! What can be set about a fine-tuning.

use agespan_models::tch::Kind;
use serde::{Deserialize, Serialize};

/// Settings of a fine-tuning. Those that are not given are the original study's: the UNet alone,
/// 20 epochs of 16 images a step, AdamW at 2e-5, one caption of five left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FineTuneSpec {
    /// Times that each face is seen, in the mean.
    pub epochs: u32,
    /// Images whose gradients are computed together.
    pub batch_size: usize,
    /// Batches whose gradients make one step.
    pub accumulation: usize,
    /// AdamW's highest learning rate.
    pub learning_rate: f64,
    /// Steps over which the rate rises.
    pub warm_up_steps: u64,
    /// How the rate falls afterwards.
    pub decay: Decay,
    /// AdamW's decay of weights.
    pub weight_decay: f64,
    /// The longest that a step's gradient may be; 0 for any length.
    pub clip_norm: f64,
    /// Share of images that are learned without their caption, for classifier-free guidance
    /// (Ho and Salimans 2022, arXiv 2207.12598, algorithm 1).
    pub prompt_dropout: f64,
    /// Gamma of min-SNR weighting (Hang et al. 2023, arXiv 2303.09556, section 3.4; 5 there); 0 for
    /// the plain mean.
    pub snr_gamma: f64,
    /// Decay of the average of the weights that is the outcome, such as 0.999; 0 for the last ones.
    pub average: f64,
    /// What the network computes in.
    pub precision: Precision,
    /// Compute the network's parts again on the way back instead of keeping them: slower, in less memory.
    pub gradient_checkpointing: bool,
    /// How evenly decades of age and genders are learned from, 0 to 1: at 0 each face once in an epoch, at 1
    /// each decade and gender as often as any other.
    #[serde(skip_serializing_if = "is_zero")]
    pub evenness: f64,
    /// Mirror every other image.
    pub mirrored: bool,
    /// Train the text encoder as well, as a pipeline from nothing needs.
    pub text_encoder: bool,
    /// Train low-rank additions to the attention's matrices instead of the UNet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
    /// Seed of order, noise and everything else.
    pub seed: u64,
    /// Steps between checkpoints; there is one at each epoch's end besides.
    pub checkpoint_steps: u32,
}

/// Low-rank additions (Hu et al. 2021, arXiv 2106.09685, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lora {
    /// Rank of each addition.
    pub rank: i64,
    /// The additions are multiplied by this over the rank.
    pub alpha: f64,
}

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Not at all.
    Constant,
    /// In a straight line, to zero.
    Linear,
    /// In half a cosine, to zero.
    Cosine,
}

/// What a network computes in. The weights themselves are learned in 32 bits in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    Float32,
    /// 16-bit floats with the range of 32-bit ones.
    Bfloat16,
    /// 16-bit floats; the loss is scaled so that small gradients are not lost. For GPUs.
    Float16,
}

impl Precision {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 => Kind::BFloat16,
            Self::Float16 => Kind::Half,
        }
    }
}

impl Default for FineTuneSpec {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 16,
            accumulation: 1,
            learning_rate: 2e-5,
            warm_up_steps: 0,
            decay: Decay::Constant,
            weight_decay: 0.01,
            clip_norm: 1.0,
            prompt_dropout: 0.2,
            snr_gamma: 0.0,
            average: 0.0,
            precision: Precision::Float32,
            gradient_checkpointing: false,
            evenness: 0.0,
            mirrored: true,
            text_encoder: false,
            lora: None,
            seed: 0,
            checkpoint_steps: 200,
        }
    }
}

/// What was put down before there was such a setting is taken up again.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl FineTuneSpec {
    /// Images of one step.
    pub fn step_size(&self) -> usize {
        self.batch_size * self.accumulation
    }
}
