//! Settings of this service alone.

use agespan_service::ModelConfig;
use clap::Args;

use crate::Arithmetic;

/// Settings of the estimator.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Of its networks.
    #[command(flatten)]
    pub models: ModelConfig,
    /// What the model computes in [default: bfloat16 where the processor multiplies it, else float32].
    #[arg(long, env = "AGESPAN_PRECISION", value_enum)]
    pub precision: Option<Arithmetic>,
    /// Single requests that may wait; of more, those of whoever has most are refused with
    /// RESOURCE_EXHAUSTED before their photo is decoded.
    #[arg(long, env = "AGESPAN_QUEUE", default_value_t = 256)]
    pub queue: usize,
    /// Photos that may be under way at the same time, from decoding to the answer.
    #[arg(long, env = "AGESPAN_AT_ONCE", default_value_t = 64)]
    pub at_once: usize,
    /// Photos whose answers are remembered, for callers who send the same one again; none by default. A
    /// face takes about a kilobyte, and photos are not kept.
    #[arg(long, env = "AGESPAN_RESPONSE_CACHE", default_value_t = 0)]
    pub response_cache: usize,
    /// Photos that are decoded at the same time.
    #[arg(long, env = "AGESPAN_DECODERS", default_value_t = 2)]
    pub decoders: usize,
}
