//! What a service brings: the work itself.

use std::fmt;

use async_trait::async_trait;

use crate::{JobContext, JobsError};

/// Runs jobs of one kind.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Does the work and returns the resource name of what it has made.
    ///
    /// It may run again, from [`JobContext::checkpoint`], and for a moment even beside another
    /// attempt whose lease was lost: what it writes outside must be idempotent. It must not block
    /// the thread (heartbeats run on the same runtime), and must return soon after
    /// [`JobContext::cancelled`] fires; if it does not, its future is dropped after a grace period.
    /// What it returns then is ignored, except success.
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure>;
}

/// Why an attempt has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct JobFailure {
    /// For programs, in UPPER_SNAKE_CASE.
    pub reason: String,
    /// For people: what happened and what to do about it.
    pub message: String,
    /// Whether another attempt may succeed with nothing changed.
    pub retryable: bool,
}

impl JobFailure {
    /// A failure that every attempt would meet again, such as an invalid payload.
    pub fn permanent(reason: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { reason: reason.into(), message: message.to_string(), retryable: false }
    }

    /// A failure that may pass, such as a store that is away.
    pub fn retryable(reason: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { reason: reason.into(), message: message.to_string(), retryable: true }
    }
}

/// For `?` on a context's writes. A handler that saves an oversized checkpoint does so every time;
/// everything else passes or ends the attempt anyway.
impl From<JobsError> for JobFailure {
    fn from(error: JobsError) -> Self {
        match error {
            JobsError::InvalidArgument { .. } => Self::permanent("INVALID_JOB_STATE", error),
            JobsError::Fenced { .. } => Self::retryable("LEASE_LOST", error),
            _ => Self::retryable("JOB_STATE_UNAVAILABLE", error),
        }
    }
}
