//! The typed client, for the command line and for services that call each other.
//!
//! [`Client`] is one lazily made connection with a client for each service; [`Client::follow`]
//! watches a job to its end; [`SplitSamples`] reads a split and [`SplitEstimates`] asks about every face of a split; [`explain`] turns a status into one line for a person.

use std::error::Error as _;
use std::time::Duration;

use agespan_proto::calibrator::v1::calibrator_service_client::CalibratorServiceClient;
use agespan_proto::dataset::v1::dataset_service_client::DatasetServiceClient;
use agespan_proto::estimator::v1::estimator_service_client::EstimatorServiceClient;
use agespan_proto::evaluator::v1::evaluator_service_client::EvaluatorServiceClient;
use agespan_proto::generator::v1::generator_service_client::GeneratorServiceClient;
use agespan_proto::job::v1::job_service_client::JobServiceClient;
use agespan_proto::job::v1::{Job, JobState, WatchJobRequest};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

mod split;

pub use agespan_proto as proto;
pub use split::{SplitEstimates, SplitSamples};

/// Largest message taken: a batch of images, or a calibration with a million scores.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{url:?} is not an address; write it like http://127.0.0.1:50051")]
pub struct AddressError {
    url: String,
    source: tonic::transport::Error,
}

/// A connection to a server, made when it is first used and again when it breaks.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
}

macro_rules! service {
    ($(#[$doc:meta])* $name:ident, $client:ident) => {
        $(#[$doc])*
        pub fn $name(&self) -> $client<Channel> {
            $client::new(self.channel.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES)
        }
    };
}

impl Client {
    /// A client for the server at `url`, http://host:port. Nothing is contacted yet.
    pub fn new(url: &str) -> Result<Self, AddressError> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|source| AddressError { url: url.to_owned(), source })?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true);
        Ok(Self { channel: endpoint.connect_lazy() })
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

/// A status in one line: what was wrong and what to do.
pub fn explain(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| format!(" ({})", info.reason));
    match status.code() {
        // tonic's own words for a refused connection help nobody.
        Code::Unavailable if reason.is_none() => {
            "no server answers there; start one with `agespan up`, or name one with --server".into()
        }
        // Nor those for one that broke. A server's own status has no source.
        _ if reason.is_none() && status.source().is_some() => {
            "the connection to the server broke; a job that was begun is not lost: see `agespan job \
             list` once the server is back"
                .into()
        }
        _ => format!("{}{}", status.message(), reason.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_told_from_what_a_server_says() {
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert!(explain(&broken).starts_with("the connection to the server broke"));
        assert_eq!(explain(&Status::not_found("no job jobs/a")), "no job jobs/a");
    }
}
