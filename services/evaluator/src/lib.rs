//! Measures the other services through the same RPCs that everybody uses.
//!
//! The major components are:
//!
//! * [`metrics`]: rows of labels and answers to figures with bounds. Pure.
//! * [`diagnostics`]: where those figures may hide that a promise does not hold. Pure.
//! * [`page`]: a report as an HTML page with plots. Pure.
//! * [`reports`]: reports in the artifact store, named by their content.
//! * [`worker`]: the evaluation as a job.
//! * [`transport`]: the RPCs, and the calls to the dataset service and the estimator.

pub mod diagnostics;
pub mod metrics;
pub mod page;
pub mod reports;
pub mod transport;
pub mod worker;

use std::sync::Arc;

use agespan_jobs::Worker;
use agespan_service::{AnyError, Component, Platform};

/// The service on this platform.
///
/// # Errors
/// When the address of a peer cannot be understood.
pub fn assemble(platform: &Platform) -> Result<Component, AnyError> {
    let reports = reports::Reports::new(platform.storage.clone());
    let mut component = transport::component(reports.clone(), platform.jobs.clone());
    if platform.role.works() {
        let peers = transport::Peers::new(platform)?;
        let evaluator = Arc::new(worker::Evaluator { peers, reports });
        let worker = Worker::new(platform.jobs.clone(), worker::KIND, evaluator, 1);
        component = component.with_background(|stop| async move {
            if let Err(error) = worker.run(stop).await {
                tracing::error!(%error, "the evaluation worker ended");
            }
        });
    }
    Ok(component)
}
