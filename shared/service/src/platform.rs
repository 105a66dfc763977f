//! What a service is given.

use std::path::PathBuf;
use std::time::Duration;

use agespan_client::tls::{self, TlsError};
use agespan_client::{Client, ClientError};
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
    /// The dataset service.
    pub dataset: Client,
    /// The age-estimator.
    pub estimator: Client,
    /// The conformal-calibrator.
    pub calibrator: Client,
    /// The diffusion-generator.
    pub generator: Client,
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
    /// The authorities that Redis is trusted by cannot be read.
    #[error(transparent)]
    Authorities(#[from] TlsError),
    /// There can be no client of a peer.
    #[error(transparent)]
    Peer(#[from] ClientError),
}

impl Platform {
    /// Opens the store and names the job store; neither Redis nor a peer is contacted yet, so that
    /// a service starts and answers what it can while they are away. Peers without an address are
    /// looked for in this process, by `own`.
    pub fn new(config: &Config, own: &Client, redis_url: &str) -> Result<Self, PlatformError> {
        let location = config.store_location();
        let storage = Storage::open_with(&location, config.store_options())
            .map_err(|source| PlatformError::Storage { location, source: Box::new(source) })?;
        let authorities = config.redis_ca.as_deref().map(tls::pem_of_certificates);
        let jobs_config = JobsConfig {
            authorities: authorities.transpose()?,
            lease: Duration::from_secs(config.lease_seconds),
            replicas: config.redis_replicas,
            ..JobsConfig::new(redis_url)
        };
        let credentials = config.access.credentials();
        let peer = |url: &Option<String>| match url {
            Some(url) => Client::with(url, &credentials),
            None => Ok(own.clone()),
        };
        Ok(Self {
            storage,
            jobs: Jobs::new(jobs_config)?,
            role: config.role,
            data_dir: config.data_dir.clone(),
            dataset: peer(&config.peers.dataset_url)?,
            estimator: peer(&config.peers.estimator_url)?,
            calibrator: peer(&config.peers.calibrator_url)?,
            generator: peer(&config.peers.generator_url)?,
        })
    }
}
