//! Photos in, calibrated age intervals out; trains its own models.
//!
//! The way of a request, in the order of the code:
//!
//! * [`transport`]: the RPCs; converts and maps errors.
//! * [`Estimator`]: one photo's way through decoding, faces, model and calibration. Start reading there.
//! * [`FairQueue`]: who is next, between callers.
//! * [`Memory`]: photos that were answered before, where that is asked for.
//! * [`Decoder`]: bytes to pixels, off the async threads, a few at a time.
//! * [`faces`]: finds the faces of a photo, and cuts them as the model has seen faces.
//! * [`engine`]: the batcher and the thread that owns a model.
//! * [`model`]: models in the artifact store, which one is active, and which are loaded.
//! * [`Calibrations`]: the active calibrations in memory, pushed by the calibrator.
//!
//! The way of a training job:
//!
//! * [`worker`]: takes the job, gathers the faces, keeps checkpoints, registers the model.
//! * [`training`]: labelled faces to weights.

mod calibrations;
mod config;
mod decoder;
pub mod engine;
mod estimator;
pub mod faces;
mod instruments;
mod memory;
pub mod model;
mod network;
mod precision;
mod queue;
pub mod training;
pub mod transport;
mod worker;

use std::error::Error;
use std::sync::Arc;

use agespan_jobs::Worker;
use agespan_service::{Component, Platform};

pub use calibrations::Calibrations;
pub use config::Config;
pub use decoder::Decoder;
pub use estimator::{
    CheckError, EstimateError, Estimator, FaceEstimate, Options, PhotoEstimate, Session,
};
pub use instruments::Instruments;
pub use memory::Memory;
pub use precision::{Arithmetic, Precision};
pub use queue::{Admission, Busy, FairQueue, Place};

/// Kind of the jobs that train.
pub(crate) const TRAIN_KIND: &str = "train-model";

/// The service on this platform. Loads the active model, the shipped one at first.
///
/// # Errors
/// When the model cannot be loaded.
pub async fn assemble(
    platform: &Platform,
    config: &Config,
) -> Result<Component, Box<dyn Error + Send + Sync>> {
    agespan_models::threads::set_count(config.models.threads());
    let registry = model::Registry::new(platform.storage.clone());
    registry.install_shipped().await?;
    let arithmetic = config.precision.unwrap_or_else(Arithmetic::of_this_processor);
    let instruments = Arc::new(Instruments::new());
    let models = model::Models::new(registry.clone(), arithmetic, instruments.clone());
    models.refresh().await?;
    let calibrations = Calibrations::new(&platform.data_dir.join("calibrations"))?;
    let estimator = Arc::new(Estimator::new(
        models.clone(),
        calibrations.clone(),
        faces::Faces::new(
            Decoder::new(config.decoders, instruments.clone()),
            faces::FaceFinder::new(&config.models.first_weights),
        ),
        FairQueue::new(config.at_once, config.queue, instruments.clone()),
        Memory::new(config.response_cache, instruments),
    ));

    let peers = transport::Peers::new(platform);
    let watch = peers.clone();
    // The model is loaded by now; what is missing for good answers is its calibration.
    let (ready, readiness) = tokio::sync::watch::channel(!calibrations.is_empty());
    let mut component = transport::component(estimator, registry.clone(), platform.jobs.clone())
        .with_readiness(readiness)
        .with_queues([TRAIN_KIND])
        .with_background(|stop| models.keep_fresh(stop))
        .with_background(|stop| watch.follow_calibrations(calibrations, ready, stop));
    if platform.role.works() {
        let trainer = worker::Trainer {
            peers,
            registry,
            storage: platform.storage.clone(),
            first_weights: config.models.first_weights.clone(),
            figures: platform.data_dir.join("training"),
        };
        let worker = Worker::new(platform.jobs.clone(), TRAIN_KIND, Arc::new(trainer), 1);
        component = component.with_worker(worker);
    }
    Ok(component)
}
