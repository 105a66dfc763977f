//! Services hosted in this process.

use std::path::Path;

use agespan_age_estimator::Config as EstimatorConfig;
use agespan_client::Client;
use agespan_service::{AnyError, CancellationToken, Component, Config, Entrance, Platform, serve};
use anyhow::{Context, Result, anyhow};
use clap::{Args, FromArgMatches};
use tokio::task::JoinHandle;

use crate::arguments::Service;

/// All services.
pub(crate) const ALL: [Service; 5] = [
    Service::Dataset,
    Service::AgeEstimator,
    Service::ConformalCalibrator,
    Service::DiffusionGenerator,
    Service::Evaluator,
];

/// Those that answer about photos.
pub(crate) const PHOTOS: [Service; 2] = [Service::ConformalCalibrator, Service::AgeEstimator];

/// Those that compare images, of data sets and of folders.
pub(crate) const IMAGES: [Service; 2] = [Service::Dataset, Service::Evaluator];

/// The one that draws faces.
pub(crate) const FACES: [Service; 1] = [Service::DiffusionGenerator];

/// The services by name, ready to be hosted.
pub(crate) async fn assemble(
    services: &[Service],
    platform: &Platform,
    estimator: &EstimatorConfig,
) -> Result<Vec<Component>, AnyError> {
    let mut components = Vec::new();
    for service in services {
        components.push(match service {
            Service::Dataset => agespan_dataset::assemble(platform),
            Service::AgeEstimator => agespan_age_estimator::assemble(platform, estimator).await?,
            Service::ConformalCalibrator => {
                agespan_conformal_calibrator::assemble(platform).await?
            }
            // Threads and weights are the process's, whoever sets them.
            Service::DiffusionGenerator => {
                agespan_diffusion_generator::assemble(platform, &estimator.models).await?
            }
            Service::Evaluator => agespan_evaluator::assemble(platform, &estimator.models),
        });
    }
    Ok(components)
}

/// A system of this process's own, which opens no port, for a command that was given no server.
pub(crate) struct System {
    /// Speaks to it.
    pub(crate) client: Client,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl System {
    /// Starts `services` on the artifacts in `data_dir`. The job store is the one that a server on
    /// that folder uses; without such a server only jobs are missing.
    pub(crate) async fn start(
        services: &[Service],
        data_dir: &Path,
        redis_url: Option<&str>,
        first_weights: Option<&Path>,
    ) -> Result<Self> {
        let mut process: Config = defaults("agespan")?;
        process.data_dir = data_dir.to_owned();
        let mut estimator: EstimatorConfig = defaults("agespan")?;
        if let Some(folder) = first_weights {
            estimator.models.first_weights = folder.to_owned();
        }
        let (entrance, client) = Entrance::private();
        // Absolute: the first part of a relative path would be taken for a host.
        let data_dir = std::path::absolute(data_dir)?;
        let socket = format!("redis+unix://{}", data_dir.join("redis/redis.sock").display());
        let platform = Platform::new(&process, &client, redis_url.unwrap_or(&socket))?;
        let components = assemble(services, &platform, &estimator)
            .await
            .map_err(|error| anyhow!(error))
            .context("the services cannot start")?;
        let flags: Vec<_> = components.iter().map(Component::readiness).collect();
        let stop = CancellationToken::new();
        let (jobs, until) = (platform.jobs, stop.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = serve(entrance, components, jobs, process.drain(), until).await {
                tracing::error!(%error, "the system of this process stopped");
            }
        });
        for mut flag in flags {
            // An error means that the flag can change no more.
            let _ = flag.wait_for(|ready| *ready).await;
        }
        Ok(Self { client, stop, task })
    }

    /// Drains and ends it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// The settings of a component when no flag is given. They are clap's, so that a default is written
/// down once.
fn defaults<A: Args + FromArgMatches>(name: &'static str) -> Result<A> {
    let command = A::augment_args(clap::Command::new(name));
    Ok(A::from_arg_matches(&command.try_get_matches_from([name])?)?)
}
