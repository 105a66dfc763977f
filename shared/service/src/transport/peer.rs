//! Calls that a job makes to other services.

use agespan_client::explain;
use agespan_jobs::JobFailure;
use tonic::{Code, Status};

/// What a peer's refusal means to the job that asked. A peer that is away may be back at the next
/// attempt; one that says no will say it again.
pub fn peer_failure(status: Status) -> JobFailure {
    let message = explain(&status);
    match status.code() {
        Code::NotFound => JobFailure::permanent("NOT_FOUND", message),
        Code::InvalidArgument => JobFailure::permanent("INVALID_ARGUMENT", message),
        _ => JobFailure::retryable("PEER", message),
    }
}
