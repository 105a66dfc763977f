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
    /// Folder of the weights that training begins with; `make setup` fills it.
    #[arg(long, env = "AGESPAN_FIRST_WEIGHTS")]
    pub first_weights: Option<PathBuf>,
}

impl Config {
    pub(crate) fn threads(&self) -> usize {
        match self.model_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
