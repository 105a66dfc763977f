//! Fits, versions and publishes conformal calibrations.
//!
//! The major components are:
//!
//! * [`Registry`]: the documents and records in the artifact store, and which one is active for
//!   each model.
//! * [`Publication`]: the active calibrations in memory, for those who watch.
//! * [`Monitors`]: whether calibrations keep their promise on true ages that become known later.
//! * [`transport`]: the RPCs, and the calls to the dataset service and the estimator that gather
//!   predictions.
//!
//! The statistics are in `agespan_conformal`.

mod instruments;
pub mod monitor;
mod monitors;
mod publication;
mod registry;
pub mod transport;

use std::error::Error;

use agespan_service::{Component, Platform};

pub use monitors::Monitors;
pub use publication::{Active, Publication, Published};
pub use registry::{Record, Registry, RegistryError};

/// The service on this platform.
///
/// # Errors
/// When the store fails.
pub async fn assemble(platform: &Platform) -> Result<Component, Box<dyn Error + Send + Sync>> {
    let registry = Registry::new(platform.storage.clone());
    registry.install_shipped().await?;
    let publication = Publication::new(registry.clone());
    let monitors = Monitors::open(platform.storage.clone(), publication.clone()).await?;
    let peers = transport::Peers::new(platform);
    Ok(transport::component(registry, publication, monitors, peers))
}
