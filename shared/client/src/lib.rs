//! The typed client, for the command line and for services that call each other.
//!
//! * [`Client`]: a lazily made connection, or one to each address of a name, with a client for each service; [`Client::follow`]
//!   watches a job to its end.
//! * [`Credentials`]: TLS and the token that a client goes to a server with.
//! * [`SplitSamples`] reads a split and [`SplitEstimates`] asks about every face of a split.
//! * [`Reloaded`]: what is read from files, and again when they change.
//! * [`tls`]: certificates and keys, for clients and servers.
//! * [`explain`] turns a status into one line for a person.

use agespan_proto::calibrator::v1::calibrator_service_client::CalibratorServiceClient;
use agespan_proto::dataset::v1::dataset_service_client::DatasetServiceClient;
use agespan_proto::estimator::v1::estimator_service_client::EstimatorServiceClient;
use agespan_proto::evaluator::v1::evaluator_service_client::EvaluatorServiceClient;
use agespan_proto::generator::v1::generator_service_client::GeneratorServiceClient;
use agespan_proto::job::v1::job_service_client::JobServiceClient;
use agespan_proto::job::v1::{Job, JobState, WatchJobRequest};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

mod balance;
mod connect;
mod credentials;
mod explain;
mod reloaded;
mod split;
pub mod tls;
mod trace;

pub use agespan_proto as proto;
pub use credentials::{Bearer, Credentials, Secret, TokenError, TokenSource};
pub use explain::explain;
pub use reloaded::Reloaded;
pub use split::{SplitEstimates, SplitSamples};

/// Largest message taken: a batch of images, or a calibration with a million scores.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address cannot be understood.
    #[error("{url:?} is not an address; write it like http://127.0.0.1:50051")]
    Address {
        /// As it was given.
        url: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// A token would travel where others can read it.
    #[error(
        "a token would go unencrypted to {url}; write https://, or allow it with --allow-plaintext \
         where a mesh does the TLS"
    )]
    Plaintext {
        /// The address.
        url: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The token cannot be sent.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// What requests go through: the token, then the connection.
pub type Connection = InterceptedService<Channel, Bearer>;

/// A connection to a server, made when it is first used and again when it breaks.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

macro_rules! service {
    ($(#[$doc:meta])* $name:ident, $client:ident) => {
        $(#[$doc])*
        pub fn $name(&self) -> $client<Connection> {
            $client::new(self.connection.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES)
        }
    };
}

impl Client {
    /// A client without credentials for the server at `url`, http://host:port. Nothing is contacted
    /// yet.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Self::with(url, &Credentials::default())
    }

    /// A client for the server at `url`, http://host:port or https://host:port. Certificates and the
    /// token are read now, and again when their files change.
    ///
    /// # Errors
    /// When the address or a file cannot be understood, or a token would go unencrypted to another
    /// machine.
    pub fn with(url: &str, credentials: &Credentials) -> Result<Self, ClientError> {
        let bearer = Bearer::new(credentials.token.as_ref())?;
        let channel = connect::channel(url, credentials)?;
        Ok(Self { connection: InterceptedService::new(channel, bearer) })
    }

    /// A client of this process's own server: its connections are handed to `accept` and never leave
    /// the process.
    pub fn in_process(accept: mpsc::Sender<DuplexStream>) -> Self {
        let channel = connect::in_process(accept);
        Self { connection: InterceptedService::new(channel, Bearer::default()) }
    }

    service!(
        /// Data sets.
        datasets, DatasetServiceClient);
    service!(
        /// Estimates and models.
        estimator, EstimatorServiceClient);
    service!(
        /// Calibrations.
        calibrator, CalibratorServiceClient);
    service!(
        /// Generated faces.
        generator, GeneratorServiceClient);
    service!(
        /// Evaluations.
        evaluator, EvaluatorServiceClient);
    service!(
        /// Jobs.
        jobs, JobServiceClient);

    /// Watches a job to its end, telling each state to `observe`, and gives its result.
    pub async fn follow(
        &self,
        name: &str,
        mut observe: impl FnMut(&Job),
    ) -> Result<String, Status> {
        let request = WatchJobRequest { name: name.to_owned() };
        let mut states = self.jobs().watch_job(request).await?.into_inner();
        let mut last = None;
        while let Some(message) = states.message().await? {
            if let Some(job) = message.job {
                observe(&job);
                last = Some(job);
            }
        }
        let job = last.ok_or_else(|| Status::not_found(format!("{name} is gone")))?;
        match job.state() {
            JobState::Succeeded => Ok(job.result),
            JobState::Cancelled => Err(Status::cancelled(format!("{name} was cancelled"))),
            _ => {
                let error = job.error.unwrap_or_default();
                Err(Status::aborted(format!("{name} failed: {} ({})", error.message, error.reason)))
            }
        }
    }
}
