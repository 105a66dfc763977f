//! Settings of this service alone.

use clap::Args;

/// Settings of the generator.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Config {
    /// Threads of one denoising step; 0 for all cores.
    #[arg(long, env = "AGESPAN_MODEL_THREADS", default_value_t = 0)]
    pub model_threads: usize,
}

impl Config {
    pub(crate) fn threads(self) -> usize {
        match self.model_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
