//! Settings of this service alone.

use std::path::PathBuf;

use agespan_service::fetched_weights;
use clap::Args;

/// Settings of the evaluator.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Threads of a network that looks at images; 0 for all cores.
    #[arg(long, env = "AGESPAN_MODEL_THREADS", default_value_t = 0)]
    pub model_threads: usize,
    /// Folder of the weights that are fetched; `make setup` fills it.
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
