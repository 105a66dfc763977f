//! The settings of a process, from flags and environment, read once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Which half of a service runs in this process, so that platform teams scale the two apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Answers requests.
    Server,
    /// Works on jobs. It still serves health, reflection and its RPCs.
    Worker,
    /// Both.
    #[default]
    All,
}

impl Role {
    /// Whether jobs are worked on.
    pub fn works(self) -> bool {
        self != Self::Server
    }
}

/// Settings that every process has.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address to listen on. One that others can reach wants TLS and authentication.
    #[arg(long, env = "AGESPAN_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,
    /// A second address, for grpc.health.v1 alone and without TLS: where probes cannot do TLS.
    #[arg(long, env = "AGESPAN_HEALTH_LISTEN")]
    pub health_listen: Option<SocketAddr>,
    /// Folder for the artifacts and, with a private Redis, its files.
    #[arg(long, env = "AGESPAN_DATA_DIR", default_value = "agespan-data")]
    pub data_dir: PathBuf,
    /// Where artifacts are kept: a folder, or an s3://, gs:// or az:// URL [default: DATA_DIR/store].
    /// Region, endpoint and credentials are taken from AWS_*, GOOGLE_* or AZURE_*, by the vendors' names.
    #[arg(long, env = "AGESPAN_STORE")]
    pub store: Option<String>,
    /// Redis for job state, redis://, rediss:// or redis+unix:// [default: a private redis-server in DATA_DIR].
    #[arg(long, env = "AGESPAN_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Authorities that a rediss:// Redis is trusted by, PEM [default: the system's].
    #[arg(long, env = "AGESPAN_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,
    /// Replicas of Redis that must have a job before it is acknowledged; without them submitting is
    /// UNAVAILABLE.
    #[arg(long, env = "AGESPAN_REDIS_REPLICAS", default_value_t = 0)]
    pub redis_replicas: u32,
    /// Seconds after which a job whose worker is silent goes to another.
    #[arg(long, env = "AGESPAN_LEASE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub lease_seconds: u64,
    /// Which half runs here.
    #[arg(long, env = "AGESPAN_ROLE", value_enum, default_value_t)]
    pub role: Role,
    /// Seconds that requests under way have to end when the process is told to stop.
    #[arg(long, env = "AGESPAN_DRAIN_SECONDS", default_value_t = 20)]
    pub drain_seconds: u64,
    /// Addresses of the other services.
    #[command(flatten)]
    pub peers: Peers,
    /// How much may come in.
    #[command(flatten)]
    pub limits: LimitsConfig,
    /// Who may come in.
    #[command(flatten)]
    pub security: crate::SecurityConfig,
    /// What the other services are gone to with.
    #[command(flatten)]
    pub access: crate::AccessConfig,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: crate::telemetry::TelemetryConfig,
}

impl Config {
    /// The artifact store's location.
    pub fn store_location(&self) -> String {
        self.store.clone().unwrap_or_else(|| self.data_dir.join("store").display().to_string())
    }

    /// What the store's client is told by the environment. None of it is a flag: what was typed can be
    /// seen by other users of a machine.
    pub fn store_options(&self) -> Vec<(String, String)> {
        let known = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|vendor| name.starts_with(vendor))
                .then(|| (name.to_lowercase(), value))
        });
        known.collect()
    }

    /// How long a drain may take.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// What one process holds open at most. What a request may weigh is each service's own.
#[derive(Args, Clone, Copy, Debug)]
pub struct LimitsConfig {
    /// Connections at the same time; one more is closed at once.
    #[arg(long, env = "AGESPAN_MAX_CONNECTIONS", default_value_t = Self::default().max_connections, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// Requests of one connection at the same time; its client keeps more back.
    #[arg(long, env = "AGESPAN_MAX_STREAMS", default_value_t = Self::default().max_streams, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_streams: u32,
    /// Seconds after which a connection takes no new requests, so that its client looks again where
    /// servers are; 0 for never.
    #[arg(long, env = "AGESPAN_CONNECTION_SECONDS", default_value_t = Self::default().connection_seconds)]
    pub connection_seconds: u64,
    /// Seconds of silence after which a connection is asked whether anybody is there; one that says
    /// nothing for 20 more is closed.
    #[arg(long, env = "AGESPAN_KEEPALIVE_SECONDS", default_value_t = Self::default().keepalive_seconds, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub keepalive_seconds: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        // A connection with nothing to do holds some ten kilobytes.
        Self {
            max_connections: 10_000,
            max_streams: 2_000,
            connection_seconds: 0,
            keepalive_seconds: 30,
        }
    }
}

impl LimitsConfig {
    /// How old a connection may be; none for as old as it likes.
    pub fn connection_age(&self) -> Option<Duration> {
        Some(self.connection_seconds).filter(|&seconds| seconds > 0).map(Duration::from_secs)
    }

    /// The silence after which it is asked.
    pub fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keepalive_seconds)
    }
}

/// Addresses of the services, http://host:port or https://host:port. What is not given is looked for in
/// this process.
#[derive(Args, Clone, Debug, Default)]
pub struct Peers {
    /// The dataset service.
    #[arg(long, env = "AGESPAN_DATASET_URL")]
    pub dataset_url: Option<String>,
    /// The age-estimator.
    #[arg(long, env = "AGESPAN_ESTIMATOR_URL")]
    pub estimator_url: Option<String>,
    /// The conformal-calibrator.
    #[arg(long, env = "AGESPAN_CALIBRATOR_URL")]
    pub calibrator_url: Option<String>,
    /// The diffusion-generator.
    #[arg(long, env = "AGESPAN_GENERATOR_URL")]
    pub generator_url: Option<String>,
}

/// Settings of a service whose networks run in its process.
#[derive(Args, Clone, Debug)]
pub struct ModelConfig {
    /// Threads of one step of a network; 0 for all cores.
    #[arg(long, env = "AGESPAN_MODEL_THREADS", default_value_t = 0)]
    pub model_threads: usize,
    /// Folder of the weights that are fetched, which `make setup` fills: the face detector's, and those
    /// that training begins with. Without the detector the faces of drawn images are not counted.
    #[arg(long, env = "AGESPAN_FIRST_WEIGHTS", default_value_os_t = fetched_weights())]
    pub first_weights: PathBuf,
}

impl ModelConfig {
    /// The number of threads.
    pub fn threads(&self) -> usize {
        match self.model_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// Where `make setup` puts the weights that it fetches: the default of `--first-weights`. clap
/// takes one variable for a setting; this default hangs on two.
#[expect(
    clippy::disallowed_methods,
    reason = "the default of a setting, found where settings are declared"
)]
fn fetched_weights() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("AGESPAN_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(set("HOME").unwrap_or_default()).join(".cache/agespan");
    cache.unwrap_or_else(home).join("weights")
}
