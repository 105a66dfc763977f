//! What can go wrong, and what to do about it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::JobState;

/// An operation on jobs that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobsError {
    /// The configured URL cannot be used.
    #[error(
        "the Redis URL or its authorities are not valid: use redis://host:port/db, rediss:// or \
         redis+unix:///path/redis.sock"
    )]
    InvalidUrl(#[source] RedisError),
    /// Redis cannot be reached, or cannot serve now. The operation can be retried; whether a write
    /// took effect is unknown, which is what request ids are for.
    #[error("cannot {operation}: Redis is not available")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: RedisError,
    },
    /// Redis refused the operation; retrying will not help.
    #[error("cannot {operation}: Redis refused it")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: RedisError,
    },
    /// There is no such job: it never was, was deleted, or has outlived its retention.
    #[error("there is no job {id}")]
    NotFound {
        /// The id that was asked for.
        id: String,
    },
    /// A finished job cannot be cancelled.
    #[error("job {id} is already {state}")]
    AlreadyFinished {
        /// The job.
        id: String,
        /// How it ended.
        state: JobState,
    },
    /// Only what has failed is tried again.
    #[error("job {id} is {state}: only a job that has failed can be tried again")]
    NotFailed {
        /// The job.
        id: String,
        /// Its state.
        state: JobState,
    },
    /// The job is stored, but not on as many replicas as the configuration asks for: a fail-over
    /// now could lose it. Repeat the call with the same request id until it succeeds.
    #[error(
        "the job is on {reached} of the {wanted} replicas that it has to reach: repeat the call \
         with the same request id"
    )]
    NotReplicated {
        /// Replicas that have it.
        reached: u32,
        /// Replicas that have to.
        wanted: u32,
    },
    /// An unfinished job cannot be deleted.
    #[error("job {id} is {state}: cancel it and wait until it has stopped before deleting it")]
    NotFinished {
        /// The job.
        id: String,
        /// Its state.
        state: JobState,
    },
    /// The same request id came with another payload.
    #[error("request id {request_id} was used for another request, which made job {id}")]
    RequestIdReused {
        /// The request id.
        request_id: String,
        /// The job that the first request made.
        id: String,
    },
    /// Somebody else holds the job now, or it has ended: this attempt must not write any more.
    #[error("this attempt no longer holds job {id}")]
    Fenced {
        /// The job.
        id: String,
    },
    /// An argument cannot be accepted.
    #[error("{argument} {problem}")]
    InvalidArgument {
        /// Which one.
        argument: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// What Redis holds is not what this version writes.
    #[error("{what} in Redis is not readable: {found:?}")]
    Corrupt {
        /// What was read.
        what: String,
        /// What was found.
        found: String,
    },
}

impl JobsError {
    pub(crate) fn redis(operation: &'static str, source: RedisError) -> Self {
        if is_passing(&source) {
            Self::Unavailable { operation, source }
        } else {
            Self::Refused { operation, source }
        }
    }

    pub(crate) fn invalid(argument: &'static str, problem: impl Into<String>) -> Self {
        Self::InvalidArgument { argument, problem: problem.into() }
    }

    pub(crate) fn corrupt(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), found: found.into() }
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Whether the same command may succeed later without anybody changing it.
fn is_passing(error: &RedisError) -> bool {
    let by_kind = matches!(
        error.kind(),
        ErrorKind::Io
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::TryAgain
            )
    );
    // Out of memory, a script that runs too long, persistence that fails: all end with the cause.
    let by_code = matches!(error.code(), Some("OOM" | "BUSY" | "MISCONF" | "NOREPLICAS"));
    by_kind || by_code || error.is_unrecoverable_error()
}
