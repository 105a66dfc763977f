//! Settings of this service alone.

use std::path::PathBuf;

use clap::Args;

/// Settings of the estimator.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Threads of one forward or training step; 0 for all cores.
    #[arg(long, env = "AGESPAN_MODEL_THREADS", default_value_t = 0)]
    pub model_threads: usize,
    /// Photos that may wait for the model; more are refused with RESOURCE_EXHAUSTED.
    #[arg(long, env = "AGESPAN_QUEUE", default_value_t = 256)]
    pub queue: usize,
    /// Photos that are decoded at the same time.
    #[arg(long, env = "AGESPAN_DECODERS", default_value_t = 2)]
    pub decoders: usize,
    /// MobileNetV2's ImageNet weights, with which training begins; `make setup` fetches them.
    #[arg(long, env = "AGESPAN_BACKBONE")]
    pub backbone: Option<PathBuf>,
}

impl Config {
    pub(crate) fn threads(&self) -> usize {
        match self.model_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
