//! Draws synthetic faces of asked-for attributes.
//!
//! The way of a generation, in the order of the code:
//!
//! * [`transport`]: the RPCs; converts, checks what can be checked at once and maps errors.
//! * [`wording`]: attributes as the words of training.
//! * [`job`]: what a generation job is told, and how it is cut into shards.
//! * [`worker`]: deals shards out, and draws them; fine-tunes.
//! * [`draws`]: an image drawn again until it shows exactly one face.
//! * [`engine`]: the thread that owns a pipeline.
//! * [`faces`]: how many faces an image shows.
//! * [`noise`]: the noise that a caller brings.
//! * `picture`: pixels as a PNG file that says how it was made.
//! * `instruments`: what a collector is told.
//! * [`images`]: drawn images in the artifact store; [`tally`] sums them up.
//!
//! [`pipelines`] are diffusers directories: in the artifact store, on this machine, in memory. New ones
//! come out of [`training`]; [`small`] begins one from nothing.

pub mod draws;
pub mod engine;
pub mod faces;
pub mod images;
mod instruments;
pub mod job;
pub mod noise;
mod picture;
pub mod pipelines;
pub mod small;
pub mod tally;
#[cfg(test)]
mod tiny_pipeline;
pub mod training;
pub mod transport;
pub mod wording;
mod worker;

use std::sync::Arc;

use agespan_jobs::{Handler, Worker};
use agespan_service::{AnyError, Component, ModelConfig, Platform};

/// Generation jobs that are followed at the same time by one process. Each only waits.
const FOLLOWED: usize = 32;

/// The service on this platform, and its workers where this process has the role.
///
/// # Errors
/// When the store cannot take the shipped pipeline.
pub async fn assemble(platform: &Platform, config: &ModelConfig) -> Result<Component, AnyError> {
    agespan_models::threads::set_count(config.threads());
    let registry = pipelines::Registry::new(platform.storage.clone());
    registry.install_shipped().await?;
    let images = images::Images::new(platform.storage.clone());
    let jobs = platform.jobs.clone();
    let detector = faces::Detector::in_folder(&config.first_weights);
    let transport = transport::Transport {
        registry: registry.clone(),
        images: images.clone(),
        jobs: jobs.clone(),
        detector: detector.clone(),
    };
    let kinds = [job::GENERATE_KIND, job::DRAW_KIND, job::TUNE_KIND];
    let component = transport::component(transport).with_queues(kinds);
    if !platform.role.works() {
        return Ok(component);
    }
    let folder = platform.data_dir.join("pipelines");
    let pipelines = pipelines::Pipelines::new(registry.clone(), folder, detector);
    let dealer = worker::Dealer { jobs: jobs.clone() };
    let tuner = worker::Tuner {
        peers: transport::Peers::new(platform),
        registry,
        pipelines: pipelines.clone(),
        folder: platform.data_dir.join("finetuning"),
    };
    let painter = worker::Painter {
        jobs: jobs.clone(),
        pipelines,
        images,
        instruments: instruments::Instruments::new(),
    };
    let works: [(&str, Arc<dyn Handler>, usize); 3] = [
        (job::GENERATE_KIND, Arc::new(dealer), FOLLOWED),
        (job::DRAW_KIND, Arc::new(painter), 1),
        (job::TUNE_KIND, Arc::new(tuner), 1),
    ];
    Ok(works.into_iter().fold(component, |component, (kind, handler, concurrency)| {
        component.with_worker(Worker::new(jobs.clone(), kind, handler, concurrency))
    }))
}
