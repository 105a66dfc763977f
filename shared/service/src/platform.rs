//! What a service is given.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use agespan_jobs::{Jobs, JobsConfig, JobsError};
use agespan_storage::{Storage, StorageError};

use crate::{Config, Role};

/// The resources of a process, shared by its services.
#[derive(Clone)]
pub struct Platform {
    /// Artifacts and records.
    pub storage: Storage,
    /// Job state.
    pub jobs: Jobs,
    /// Which half runs here.
    pub role: Role,
    /// Folder for what a service writes down for itself.
    pub data_dir: PathBuf,
    /// URL of the dataset service.
    pub dataset_url: String,
    /// URL of the age-estimator.
    pub estimator_url: String,
    /// URL of the conformal-calibrator.
    pub calibrator_url: String,
    /// URL of the diffusion-generator.
    pub generator_url: String,
}

/// Why the resources cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// The artifact store cannot be opened.
    #[error("cannot open the artifact store {location}")]
    Storage {
        /// Where it should be.
        location: String,
        /// Why.
        #[source]
        source: Box<StorageError>,
    },
    /// The Redis URL cannot be used.
    #[error("cannot use the Redis URL")]
    Jobs(#[from] JobsError),
}

impl Platform {
    /// Opens the store and names the job store; neither Redis nor a peer is contacted yet, so that
    /// a service starts and answers what it can while they are away.
    pub fn new(
        config: &Config,
        address: SocketAddr,
        redis_url: &str,
    ) -> Result<Self, PlatformError> {
        let location = config.store_location();
        let storage = Storage::open(&location)
            .map_err(|source| PlatformError::Storage { location, source: Box::new(source) })?;
        let jobs_config = JobsConfig {
            lease: Duration::from_secs(config.lease_seconds),
            replicas: config.redis_replicas,
            ..JobsConfig::new(redis_url)
        };
        let own = format!("http://{address}");
        let url = |given: &Option<String>| given.clone().unwrap_or_else(|| own.clone());
        Ok(Self {
            storage,
            jobs: Jobs::new(jobs_config)?,
            role: config.role,
            data_dir: config.data_dir.clone(),
            dataset_url: url(&config.peers.dataset_url),
            estimator_url: url(&config.peers.estimator_url),
            calibrator_url: url(&config.peers.calibrator_url),
            generator_url: url(&config.peers.generator_url),
        })
    }
}
