//! The right to write to a job, and every write that needs it.

use redis::ScriptInvocation;

use crate::{
    JobFailure, Jobs, JobsError, MAX_CHECKPOINT_BYTES, Progress, scripts,
    store::{Reply, Status},
};

/// Messages are for people; nobody reads more, and Redis keeps them for days.
const MAX_MESSAGE_BYTES: usize = 4096;

/// One attempt's hold on a job. It ends with [`succeed`](Self::succeed), [`fail`](Self::fail) or
/// [`release`](Self::release), or when it is not [renewed](Self::renew) and another worker claims
/// the job; from then on every write is refused with [`JobsError::Fenced`].
#[derive(Debug)]
pub struct Lease {
    pub(crate) jobs: Jobs,
    pub(crate) id: String,
    pub(crate) stream: String,
    pub(crate) worker: String,
    pub(crate) fence: u64,
    /// Names the claim: what the scripts ask for.
    pub(crate) claim: String,
    pub(crate) attempt: u32,
    pub(crate) checkpoint: Option<String>,
    /// Of whoever submitted the job, as W3C's `traceparent`.
    pub(crate) trace: Option<String>,
}

impl Lease {
    /// The job that is held.
    pub fn job_id(&self) -> &str {
        &self.id
    }

    /// The fencing token. Grows with every claim of the job.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Where the attempt before this one had come to.
    pub fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Holds the job for another lease. Returns whether somebody has asked to cancel it.
    pub async fn renew(&self) -> Result<bool, JobsError> {
        let mut call = self.call(&scripts::RENEW);
        call.arg(&self.worker).arg(self.jobs.lease_ms());
        let mut reply = self.write("renew a lease", &call).await?;
        reply.take(1)
    }

    /// Writes progress. One that is behind what this attempt has written before is ignored.
    pub async fn progress(&self, progress: &Progress) -> Result<(), JobsError> {
        let mut call = self.call(&scripts::PROGRESS);
        call.arg(progress.done).arg(progress.total).arg(cut(&progress.message));
        self.write("write progress", &call).await.map(drop)
    }

    /// Keeps where the next attempt can continue.
    pub async fn save_checkpoint(&self, checkpoint: &str) -> Result<(), JobsError> {
        if checkpoint.len() > MAX_CHECKPOINT_BYTES {
            return Err(JobsError::invalid(
                "checkpoint",
                format!(
                    "has {} bytes, at most {MAX_CHECKPOINT_BYTES} are accepted: store it as an \
                     artifact and name that",
                    checkpoint.len()
                ),
            ));
        }
        let mut call = self.call(&scripts::CHECKPOINT);
        call.arg(checkpoint);
        self.write("save a checkpoint", &call).await.map(drop)
    }

    /// Ends the job with the resource name of what it has made.
    pub async fn succeed(&self, result: &str) -> Result<(), JobsError> {
        let mut call = self.call(&scripts::SUCCEED);
        call.arg(result).arg(self.jobs.retention_ms());
        self.write("finish a job", &call).await.map(drop)
    }

    /// Ends the attempt with an error. When the failure is retryable and an attempt is left, the
    /// job is queued again and becomes available after one lease.
    pub async fn fail(&self, failure: &JobFailure) -> Result<(), JobsError> {
        let mut call = self.call(&scripts::FAIL);
        call.arg(&failure.reason)
            .arg(cut(&failure.message))
            .arg(u8::from(failure.retryable))
            .arg(self.jobs.retention_ms());
        self.write("fail a job", &call).await.map(drop)
    }

    /// Gives the job up without counting the attempt: it is queued again at once, or cancelled when
    /// that was asked for.
    pub async fn release(&self) -> Result<(), JobsError> {
        let mut call = self.call(&scripts::RELEASE);
        call.arg(self.jobs.retention_ms());
        self.write("release a job", &call).await.map(drop)
    }

    fn call<'a>(&self, script: &'a redis::Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(self.jobs.keys().job(&self.id)).key(&self.stream).arg(&self.claim);
        call
    }

    async fn write(
        &self,
        operation: &'static str,
        call: &ScriptInvocation<'_>,
    ) -> Result<Reply, JobsError> {
        let reply = self.jobs.store().script(operation, call).await?;
        match reply.status {
            Status::Ok => Ok(reply),
            Status::Fenced => Err(JobsError::Fenced { id: self.id.clone() }),
            _ => Err(reply.unexpected()),
        }
    }
}

/// The message as far as it is kept, cut between characters.
fn cut(message: &str) -> &str {
    let mut end = message.len().min(MAX_MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}
