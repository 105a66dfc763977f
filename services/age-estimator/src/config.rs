//! Settings of this service alone.

use agespan_service::ModelConfig;
use clap::Args;

use crate::Precision;

/// Settings of the estimator.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Of its networks.
    #[command(flatten)]
    pub models: ModelConfig,
    /// What the model computes in [default: bfloat16 where the processor multiplies it, else float32].
    #[arg(long, env = "AGESPAN_PRECISION", value_enum)]
    pub precision: Option<Precision>,
    /// Photos of single requests that may be under way; more are refused with RESOURCE_EXHAUSTED before
    /// they are decoded.
    #[arg(long, env = "AGESPAN_QUEUE", default_value_t = 256)]
    pub queue: usize,
    /// Photos that are decoded at the same time.
    #[arg(long, env = "AGESPAN_DECODERS", default_value_t = 2)]
    pub decoders: usize,
}
