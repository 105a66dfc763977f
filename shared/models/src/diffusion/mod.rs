//! Text-to-image diffusion: the networks of Stable Diffusion, and how they are used.
//!
//! The major components are:
//!
//! * [`Directory`]: a pipeline's directory as diffusers lays it out; weights are mapped.
//! * [`Pipeline`]: its parts together; draws an image from words and a seed.
//! * [`Tokenizer`], [`ClipText`], [`Unet`], [`Vae`]: the parts, each made from its configuration and
//!   [`Parameters`], which come from a file or from a seed.
//! * [`SafetyChecker`]: hides images that show what they should not; [`ClipVision`] looks at them.
//! * [`scheduler`]: how the network's predictions lead from noise to an image, and the noise that
//!   training adds.
//! * [`Noise`]: the noise of a seed.
//!
//! Everything is as diffusers and transformers compute it, by the same names; what a configuration
//! asks for and this does not compute is refused.

mod attention;
mod clip_layer;
mod clip_text;
mod clip_vision;
mod config;
mod directory;
mod error;
mod fields;
mod layers;
mod lora;
mod mapped;
mod noise;
mod parameters;
mod pipeline;
mod resnet;
mod safety_checker;
mod safety_config;
pub mod scheduler;
#[cfg(test)]
mod tests;
mod timestep;
mod tokenizer;
mod unet;
mod unet_blocks;
mod unet_recomputed;
mod vae;
mod vae_coders;
mod vae_tiles;

pub use clip_text::{ClipText, ClipTextOutput};
pub use clip_vision::ClipVision;
pub use config::{
    Activation, ClipTextConfig, RawConfig, UnetBlock, UnetConfig, UnetMiddle, VaeConfig,
};
pub use directory::Directory;
pub use error::DiffusionError;
pub use lora::{LORA_FILE, lora_factors, lora_sum};
pub use noise::Noise;
pub use parameters::{Parameters, Variables, kind_and_device};
pub use pipeline::{ImageStart, OnStep, Pipeline, Sampling, Step, Texts};
pub use safety_checker::{SafetyChecker, Verdict};
pub use safety_config::{ClipImageConfig, ClipVisionConfig, SafetyConfig};
pub use scheduler::{SchedulerConfig, SchedulerKind};
pub use tokenizer::{Tokenizer, Tokens};
pub use unet::Unet;
pub use unet_recomputed::Recomputed;
pub use vae::{Posterior, Vae};
