//! What is known about a job.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use crate::JobsError;

/// Where a job is in its life. See the diagram in the crate's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// A worker holds it.
    Running,
    /// Done; it has a result.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl JobState {
    const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether nothing will change any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name, in upper case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = JobsError;

    fn from_str(name: &str) -> Result<Self, JobsError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| JobsError::corrupt("a job's state", name))
    }
}

/// How far an attempt has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units done. Never goes back within an attempt.
    pub done: u64,
    /// Units in all; 0 when unknown.
    pub total: u64,
    /// What is being done, for a person.
    pub message: String,
}

/// Why a job, or an attempt of it, has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// For programs, in UPPER_SNAKE_CASE.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// A job as it was at one moment.
///
/// Payload and checkpoint can be large and are asked for on their own: see
/// [`Jobs::payload`](crate::Jobs::payload) and [`Jobs::checkpoint`](crate::Jobs::checkpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// A UUID.
    pub id: String,
    /// What kind of work it is, and thereby which queue it is in.
    pub kind: String,
    /// Where it is in its life.
    pub state: JobState,
    /// When it was submitted.
    pub created: Timestamp,
    /// When a worker took it for the first time.
    pub started: Option<Timestamp>,
    /// When it reached a terminal state.
    pub finished: Option<Timestamp>,
    /// How many attempts have been started, without those that were released.
    pub attempt: u32,
    /// How many attempts it has.
    pub max_attempts: u32,
    /// The newest fencing token.
    pub fence: u64,
    /// Who works on it.
    pub worker: Option<String>,
    /// Until when that worker may be silent.
    pub lease_expires: Option<Timestamp>,
    /// How far the current or last attempt has come.
    pub progress: Progress,
    /// The resource name of what was made; only when it has succeeded.
    pub result: Option<String>,
    /// Why it has failed; only when it has.
    pub error: Option<JobError>,
    /// How the last failed attempt ended, also while the job waits for the next one.
    pub last_error: Option<JobError>,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// Grows with every change that this struct shows, except `lease_expires`.
    pub revision: u64,
}

/// The fields of the hash that make a [`Job`], in the order [`Job::from_fields`] wants them.
pub(crate) const FIELDS: [&str; 21] = [
    "id",
    "kind",
    "state",
    "created_ms",
    "started_ms",
    "finished_ms",
    "attempt",
    "max_attempts",
    "fence",
    "worker",
    "lease_ms",
    "done",
    "total",
    "message",
    "result",
    "error_reason",
    "error_message",
    "last_reason",
    "last_message",
    "cancel_requested",
    "revision",
];

impl Job {
    /// Reads a job from its [`FIELDS`]. `None` when there is no such hash.
    pub(crate) fn from_fields(values: Vec<Option<String>>) -> Result<Option<Self>, JobsError> {
        let mut fields = Fields(values);
        if fields.0.len() != FIELDS.len() || fields.text("id").is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            id: fields.need("id")?,
            kind: fields.need("kind")?,
            state: fields.need::<String>("state")?.parse()?,
            created: fields.time("created_ms")?.unwrap_or_default(),
            started: fields.time("started_ms")?,
            finished: fields.time("finished_ms")?,
            attempt: fields.need("attempt")?,
            max_attempts: fields.need("max_attempts")?,
            fence: fields.need("fence")?,
            worker: fields.take("worker")?,
            lease_expires: fields.time("lease_ms")?,
            progress: fields.progress()?,
            result: fields.take("result")?,
            error: fields.error("error_reason", "error_message")?,
            last_error: fields.error("last_reason", "last_message")?,
            cancel_requested: fields.text("cancel_requested").is_some(),
            revision: fields.need("revision")?,
        }))
    }
}

/// Values by field name.
struct Fields(Vec<Option<String>>);

impl Fields {
    fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
        let at = FIELDS.iter().position(|field| *field == name)?;
        self.0.get_mut(at).filter(|value| value.is_some())
    }

    fn take<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, JobsError> {
        let Some(text) = self.text(name).and_then(Option::take) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(JobsError::corrupt(format!("a job's {name}"), text)),
        }
    }

    fn need<T: FromStr>(&mut self, name: &str) -> Result<T, JobsError> {
        self.take(name)?.ok_or_else(|| JobsError::corrupt(format!("a job's {name}"), "nothing"))
    }

    fn time(&mut self, name: &str) -> Result<Option<Timestamp>, JobsError> {
        let Some(ms) = self.take::<i64>(name)? else {
            return Ok(None);
        };
        Timestamp::from_millisecond(ms)
            .map(Some)
            .map_err(|_| JobsError::corrupt(format!("a job's {name}"), ms.to_string()))
    }

    fn progress(&mut self) -> Result<Progress, JobsError> {
        Ok(Progress {
            done: self.take("done")?.unwrap_or_default(),
            total: self.take("total")?.unwrap_or_default(),
            message: self.take("message")?.unwrap_or_default(),
        })
    }

    fn error(&mut self, reason: &str, message: &str) -> Result<Option<JobError>, JobsError> {
        let Some(reason) = self.take(reason)? else {
            return Ok(None);
        };
        let message = self.take(message)?.unwrap_or_default();
        Ok(Some(JobError { reason, message }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever another version or a person has put there: an error, never a panic.
        #[test]
        fn reading_any_hash_does_not_panic(
            values in prop::collection::vec(prop::option::of("-?[0-9]{0,25}|[A-Z]{0,9}"), 0..30),
        ) {
            let _ = Job::from_fields(values);
        }
    }
}
