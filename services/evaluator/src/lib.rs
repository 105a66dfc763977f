//! Measures the other services through the same RPCs that everybody uses.
//!
//! The major components are:
//!
//! * [`metrics`]: rows of labels and answers to figures with bounds. Pure.
//! * [`diagnostics`]: where those figures may hide that a promise does not hold. Pure.
//! * [`page`]: a report as an HTML page with plots. Pure.
//! * [`images`]: two sets of images compared.
//! * [`cross_check`]: faces that were drawn to a prompt, and what is estimated of them. Pure.
//! * [`reports`]: reports in the artifact store, named by their content.
//! * [`worker`], [`images_worker`], [`cross_check_worker`]: these as jobs.
//! * [`transport`]: the RPCs, and the calls to the dataset service and the estimator.

pub mod cross_check;
pub mod cross_check_worker;
pub mod diagnostics;
pub mod images;
pub mod images_worker;
pub mod metrics;
pub mod page;
pub mod reports;
pub mod transport;
pub mod worker;

use std::sync::Arc;

use agespan_jobs::{Handler, Worker};
use agespan_service::{Component, ModelConfig, Platform};

/// The service on this platform.
pub fn assemble(platform: &Platform, config: &ModelConfig) -> Component {
    agespan_models::threads::set_count(config.threads());
    let reports = reports::Reports::new(platform.storage.clone());
    let component = transport::component(reports.clone(), platform.jobs.clone()).with_queues([
        worker::KIND,
        images_worker::KIND,
        images_worker::HELP_KIND,
        cross_check_worker::KIND,
    ]);
    if !platform.role.works() {
        return component;
    }
    let peers = transport::Peers::new(platform);
    let comparer = Arc::new(images_worker::Comparer::new(
        peers.clone(),
        platform.jobs.clone(),
        reports.clone(),
        platform.storage.clone(),
        config.first_weights.clone(),
    ));
    let helper = images_worker::Helper { comparer: comparer.clone() };
    let cross_checker =
        cross_check_worker::CrossChecker { peers: peers.clone(), reports: reports.clone() };
    let evaluator = worker::Evaluator { peers, reports, storage: platform.storage.clone() };
    let works: [(&str, Arc<dyn Handler>); 4] = [
        (worker::KIND, Arc::new(evaluator)),
        (images_worker::KIND, comparer),
        (images_worker::HELP_KIND, Arc::new(helper)),
        (cross_check_worker::KIND, Arc::new(cross_checker)),
    ];
    works.into_iter().fold(component, |component, (kind, handler)| {
        component.with_worker(Worker::new(platform.jobs.clone(), kind, handler, 1))
    })
}
