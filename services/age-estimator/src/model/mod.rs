//! Models: in the artifact store, active or not, loaded or not.

mod loaded;
mod registry;

pub use loaded::{Loaded, LoadError, Models};
pub use registry::{Card, ModelError, Record, Registry};
