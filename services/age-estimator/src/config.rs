//! Settings of this service alone.

use agespan_service::ModelConfig;
use clap::Args;

/// Settings of the estimator.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Of its networks.
    #[command(flatten)]
    pub models: ModelConfig,
    /// Photos that may wait for the model; more are refused with RESOURCE_EXHAUSTED.
    #[arg(long, env = "AGESPAN_QUEUE", default_value_t = 256)]
    pub queue: usize,
    /// Photos that are decoded at the same time.
    #[arg(long, env = "AGESPAN_DECODERS", default_value_t = 2)]
    pub decoders: usize,
}
