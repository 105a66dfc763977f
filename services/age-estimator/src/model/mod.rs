//! Models: in the artifact store, active or not, loaded or not.

mod loaded;
mod registry;

pub use loaded::{LoadError, Loaded, Models};
pub use registry::{Card, ModelError, Record, Registry, SHIPPED_BACKBONE};
