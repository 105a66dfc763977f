//! Calls that a job makes to other services.

use agespan_client::explain;
use agespan_jobs::JobFailure;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What a peer's refusal means to the job that asked. A peer that is away may be back at the next
/// attempt; one that says no will say it again.
pub fn peer_failure(status: Status) -> JobFailure {
    // Its reason becomes the job's, so that a line with both has it once.
    let (reason, message) = match status.get_details_error_info() {
        Some(info) => (Some(info.reason), status.message().to_owned()),
        None => (None, explain(&status)),
    };
    let reason = |usual: &str| reason.unwrap_or_else(|| usual.to_owned());
    match status.code() {
        Code::NotFound => JobFailure::permanent(reason("NOT_FOUND"), message),
        Code::InvalidArgument => JobFailure::permanent(reason("INVALID_ARGUMENT"), message),
        _ => JobFailure::retryable(reason("PEER"), message),
    }
}
