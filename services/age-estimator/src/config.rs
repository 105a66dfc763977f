//! Settings of this service alone.

use std::path::PathBuf;

use agespan_service::environment::fetched_weights;
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
    /// Folder of the face detector's weights and those that training begins with; `make setup`
    /// fills it.
    #[arg(long, env = "AGESPAN_FIRST_WEIGHTS", default_value_os_t = fetched_weights())]
    pub first_weights: PathBuf,
}

impl Config {
    pub(crate) fn threads(&self) -> usize {
        match self.model_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
