//! Pipelines: in the artifact store, on this machine, loaded or not.

mod loaded;
mod place;
mod registry;
mod shipped;

pub use loaded::{Loaded, Pipelines};
pub use registry::{PipelineError, Record, Registry};

#[cfg(test)]
mod tests;
