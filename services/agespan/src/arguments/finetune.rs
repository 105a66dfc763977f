//! What can be typed about a fine-tuning.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// A pipeline to learn faces.
#[derive(Args)]
pub(crate) struct Finetune {
    /// The data set; its train split is learned.
    #[arg(long)]
    pub(crate) dataset: String,
    /// A pipeline by name, or a diffusers directory.
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) pipeline: PathBuf,
    /// Passes over the train split.
    #[arg(long, default_value_t = 20)]
    pub(crate) epochs: u32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Images whose gradients are computed together.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch_size: u32,
    /// Batches whose gradients make one step.
    #[arg(long, default_value_t = 1)]
    pub(crate) accumulation: u32,
    /// The highest learning rate [default: 0.00002].
    #[arg(long)]
    pub(crate) learning_rate: Option<f64>,
    /// Steps over which the rate rises.
    #[arg(long, default_value_t = 0)]
    pub(crate) warm_up_steps: u32,
    /// How the rate falls afterwards [default: not at all].
    #[arg(long, value_enum)]
    pub(crate) decay: Option<Decay>,
    /// Share of images that are learned without their caption [default: 0.2].
    #[arg(long)]
    pub(crate) prompt_dropout: Option<f64>,
    /// Gamma of min-SNR weighting, usually 5; 0 for none.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) snr_gamma: f64,
    /// Decay of the average of the weights that becomes the result, such as 0.999; 0 for none.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) average: f64,
    /// What the network computes in [default: 32-bit floats].
    #[arg(long, value_enum)]
    pub(crate) precision: Option<Precision>,
    /// Learn low-rank additions of this rank instead of the UNet; 0 for the UNet.
    #[arg(long, default_value_t = 0)]
    pub(crate) lora_rank: u32,
    /// The additions are multiplied by this over the rank [default: the rank].
    #[arg(long, default_value_t = 0.0, hide_default_value = true)]
    pub(crate) lora_alpha: f64,
    /// The most training faces, spread over the split; 0 for all.
    #[arg(long, default_value_t = 0)]
    pub(crate) max_samples: u32,
    /// Also train the text encoder.
    #[arg(long, conflicts_with = "lora_rank")]
    pub(crate) text_encoder: bool,
    /// Compute parts of the network again on the way back: slower, in less memory.
    #[arg(long)]
    pub(crate) gradient_checkpointing: bool,
    /// How evenly decades of age and genders are learned from: 0 each face as often, 1 each decade and
    /// gender.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) evenness: f64,
    /// The longest that a step's gradient may be; 0 for any [default: 1].
    #[arg(long)]
    pub(crate) clip_norm: Option<f64>,
}

/// How a learning rate falls.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Decay {
    /// In a straight line.
    Linear,
    /// In half a cosine.
    Cosine,
}

/// What a network computes in.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Precision {
    /// With the range of 32-bit floats.
    Bfloat16,
    /// For GPUs.
    Float16,
}
