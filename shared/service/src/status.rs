//! Errors as `google.rpc.Status` with details: a reason for programs, a field where one is to
//! blame, a delay where trying again helps.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agespan_jobs::JobsError;
use agespan_storage::StorageError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The `domain` of every ErrorInfo.
pub const DOMAIN: &str = "agespan";

/// How long a caller should wait before it tries again, in the mean.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Longest text of a status, in characters. What a caller sent may be quoted in it, and a status
/// travels in HTTP/2 headers: one of many kilobytes would reach the caller as a broken stream.
const LONGEST_TEXT: usize = 400;

fn clipped(text: impl Into<String>) -> String {
    let text = text.into();
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn with_reason(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

/// A status with a reason in ErrorInfo.
pub fn new(code: Code, reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(code, clipped(message), with_reason(reason))
}

/// INVALID_ARGUMENT: a field of the request can never work as it is.
pub fn invalid(field: &str, reason: &str, message: impl Into<String>) -> Status {
    let message = clipped(message);
    let mut details = with_reason(reason);
    details.add_bad_request_violation(field, message.clone());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {message}"), details)
}

/// NOT_FOUND: the resource that the request names is not there.
pub fn not_found(kind: &str, name: &str, message: impl Into<String>) -> Status {
    let message = clipped(message);
    let mut details = with_reason("NOT_FOUND");
    details.set_resource_info(kind, clipped(name), "", message.clone());
    Status::with_error_details(Code::NotFound, message, details)
}

/// FAILED_PRECONDITION: the state of the system has to change first.
pub fn precondition(reason: &str, subject: &str, message: impl Into<String>) -> Status {
    let message = clipped(message);
    let mut details = with_reason(reason);
    details.add_precondition_failure_violation(reason, clipped(subject), message.clone());
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// A status that asks the caller to try again: UNAVAILABLE or RESOURCE_EXHAUSTED.
pub fn retry_later(code: Code, reason: &str, message: impl Into<String>) -> Status {
    retry_after(code, reason, message, next_delay())
}

/// Between half and one and a half of [`RETRY_DELAY`], each time another: callers who are turned away
/// together do not come back together. Multiples of the golden ratio leave no gap and no heap in
/// between, however many are asked for (Weyl).
fn next_delay() -> Duration {
    static TURN: AtomicU32 = AtomicU32::new(0);
    const GOLDEN: u32 = 0x9E37_79B9;
    let turn = TURN.fetch_add(1, Ordering::Relaxed).wrapping_mul(GOLDEN);
    RETRY_DELAY.mul_f64(0.5 + f64::from(turn) / f64::from(u32::MAX))
}

/// A status that asks the caller to try again after `delay`.
pub fn retry_after(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    delay: Duration,
) -> Status {
    let mut details = with_reason(reason);
    details.set_retry_info(Some(delay));
    Status::with_error_details(code, clipped(message), details)
}

/// INTERNAL: the causes go to the log and not to the caller, who could do nothing with them.
pub fn internal(error: &(dyn Error + 'static)) -> Status {
    tracing::error!(error = %chain(error), "a request failed inside");
    new(Code::Internal, "INTERNAL", "something failed inside; the server's log says what")
}

/// UNIMPLEMENTED, with what is missing.
pub fn unimplemented(what: &str) -> Status {
    new(Code::Unimplemented, "NOT_BUILT_YET", format!("{what} is not built yet"))
}

/// A code as gRPC writes it.
pub(crate) fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Where a message of libtorch turns into a trace of its calls, in lines that tell a caller nothing but
/// how the server was built.
const TORCH_TRACE: &str = "\nException raised from ";

/// An error and its causes in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        line.push_str(if line.is_empty() { "" } else { ": " });
        line.push_str(text.split(TORCH_TRACE).next().unwrap_or_default());
        cause = error.source();
    }
    line
}

/// The id in a resource name such as "datasets/utkface".
pub fn resource_id<'a>(field: &str, collection: &str, name: &'a str) -> Result<&'a str, Status> {
    let id = name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/'));
    match id {
        Some(id) if !id.is_empty() && !id.contains('/') => Ok(id),
        _ => Err(invalid(
            field,
            "RESOURCE_NAME",
            format!("{name:?} is not of the form \"{collection}/{{id}}\""),
        )),
    }
}

/// A failure of the job store.
pub fn from_jobs(error: JobsError) -> Status {
    let message = error.to_string();
    match error {
        JobsError::NotFound { id } => not_found("job", &format!("jobs/{id}"), message),
        JobsError::AlreadyFinished { id, .. } => {
            precondition("ALREADY_FINISHED", &format!("jobs/{id}"), message)
        }
        JobsError::NotFinished { id, .. } => {
            precondition("NOT_FINISHED", &format!("jobs/{id}"), message)
        }
        JobsError::NotFailed { id, .. } => {
            precondition("NOT_FAILED", &format!("jobs/{id}"), message)
        }
        JobsError::NotReplicated { .. } => {
            retry_later(Code::Unavailable, "JOB_NOT_REPLICATED", message)
        }
        JobsError::RequestIdReused { .. } => invalid("request_id", "REQUEST_ID_REUSED", message),
        JobsError::InvalidArgument { argument, .. } => {
            invalid(argument, "INVALID_ARGUMENT", message)
        }
        JobsError::Unavailable { .. } => {
            tracing::warn!(error = %chain(&error), "Redis is away");
            retry_later(Code::Unavailable, "JOB_STORE_UNAVAILABLE", message)
        }
        other => internal(&other),
    }
}

/// A failure of the artifact store, other than a missing object, which the caller words better.
pub fn from_storage(error: StorageError) -> Status {
    match error {
        StorageError::Unavailable { .. } => {
            tracing::warn!(error = %chain(&error), "the artifact store is away");
            retry_later(
                Code::Unavailable,
                "STORE_UNAVAILABLE",
                "the artifact store cannot be reached; try again",
            )
        }
        other => internal(&other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_is_quoted_in_short() {
        let sent = "ä".repeat(100_000);
        for status in [
            resource_id("name", "models", &sent).unwrap_err(),
            not_found("model", &sent, sent.as_str()),
            precondition("REASON", &sent, sent.as_str()),
            new(Code::Internal, "REASON", sent.as_str()),
            retry_later(Code::Unavailable, "REASON", sent.as_str()),
        ] {
            let mut headers = tonic::metadata::MetadataMap::new().into_headers();
            status.add_header(&mut headers).unwrap();
            let bytes: usize =
                headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            // Half of what HTTP/2 clients commonly take.
            assert!(bytes < 8192, "{bytes} bytes");
        }
    }

    #[test]
    fn causes_are_told_in_a_line_and_traces_of_libtorch_are_not() {
        let trace = "no such file\nException raised from load at import.cc:7\nframe #0: c10::Error";
        #[derive(Debug, thiserror::Error)]
        #[error("the weights")]
        struct Weights(#[source] std::io::Error);
        let error = Weights(std::io::Error::other(trace));
        assert_eq!(chain(&error), "the weights: no such file");
    }

    #[test]
    fn who_is_turned_away_together_comes_back_apart() {
        let mut delays: Vec<Duration> = (0..100).map(|_| next_delay()).collect();
        delays.sort();
        assert!(delays[0] >= RETRY_DELAY / 2 && delays[99] <= RETRY_DELAY * 3 / 2);
        // Others may take some between: no more than a few.
        let widest = delays.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(widest.unwrap() < RETRY_DELAY / 10, "{widest:?}");
    }

    #[test]
    fn a_name_must_be_of_its_collection() {
        assert_eq!(resource_id("name", "models", "models/ab").unwrap(), "ab");
        for name in ["", "ab", "models", "models/", "models/a/b", "datasets/ab", "modelsab"] {
            let status = resource_id("name", "models", name).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{name}");
            let details = status.get_details_bad_request().unwrap();
            assert_eq!(details.field_violations[0].field, "name");
        }
    }
}
