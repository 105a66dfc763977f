//! What a handler sees of its job.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{JobFailure, JobsError, Lease, Progress, progress::Pace};

/// Between two tries to save a checkpoint while Redis is away.
const SAVE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Why a handler should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// A user cancelled the job. What was made so far can be removed.
    Cancelled,
    /// Another worker has the job now. Nothing must be written any more.
    LeaseLost,
    /// The worker is drained. Another one continues from the last checkpoint.
    ShuttingDown,
}

/// A job, as its handler sees it. Cheap to clone, for work that runs on a thread of its own.
#[derive(Debug, Clone)]
pub struct JobContext {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    lease: Lease,
    cancelled: CancellationToken,
    reason: OnceLock<CancelReason>,
    /// A std Mutex: it is never held across an await, and a thread without a runtime takes it too.
    pace: Mutex<Pace>,
}

impl JobContext {
    pub(crate) fn new(lease: Lease) -> Self {
        Self {
            inner: Arc::new(Inner {
                lease,
                cancelled: CancellationToken::new(),
                reason: OnceLock::new(),
                pace: Mutex::default(),
            }),
        }
    }

    /// The job.
    pub fn job_id(&self) -> &str {
        self.lease().job_id()
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.lease().attempt()
    }

    /// The fencing token of this attempt: the next one has a greater. For stores that can refuse
    /// what an older attempt still writes.
    pub fn fence(&self) -> u64 {
        self.lease().fence()
    }

    /// What the attempt before this one saved last.
    pub fn checkpoint(&self) -> Option<&str> {
        self.lease().checkpoint()
    }

    /// Fires when the handler should stop; [`reason`](Self::cancel_reason) says why.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.inner.cancelled
    }

    /// Why the handler should stop. Set before [`cancelled`](Self::cancelled) fires.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.inner.reason.get().copied()
    }

    /// Whether nobody goes on with the job when this attempt ends with `failure`: it was cancelled, or the
    /// failure is no reason to try again. (That attempts are used up, only the store knows.)
    pub fn is_final(&self, failure: &JobFailure) -> bool {
        match self.cancel_reason() {
            Some(CancelReason::Cancelled) => true,
            Some(_) => false,
            None => !failure.retryable,
        }
    }

    /// Whether nobody goes on with the job when this attempt ends like that: what it kept for the next
    /// one can be removed.
    pub fn is_over<T>(&self, ended: &Result<T, JobFailure>) -> bool {
        ended.as_ref().err().is_none_or(|failure| self.is_final(failure))
    }

    /// Reports progress; `total` 0 means unknown. Call it as often as is convenient: at most five a
    /// second are written, and always the last. Progress that cannot be written now is written
    /// later, so the only error is [`JobsError::Fenced`].
    pub async fn progress(&self, done: u64, total: u64, message: &str) -> Result<(), JobsError> {
        self.note_progress(done, total, message);
        let due = self.pace().due(Instant::now());
        self.write_progress(due).await
    }

    /// Reports progress from a thread that cannot wait. It is written within about a second.
    pub fn note_progress(&self, done: u64, total: u64, message: &str) {
        self.pace().note(done, total, message);
    }

    /// Keeps where the next attempt can continue: at most 64 KiB, typically the name of an artifact
    /// and a position. Once this returns, no crash of this worker loses it.
    ///
    /// While Redis is away it waits, until the handler should stop: an outage is not the job's fault
    /// and must not cost it an attempt.
    pub async fn save_checkpoint(&self, checkpoint: &str) -> Result<(), JobsError> {
        loop {
            let saved = self.lease().save_checkpoint(checkpoint).await;
            match saved {
                Err(error) if error.is_unavailable() && !self.cancelled().is_cancelled() => {
                    tracing::warn!(%error, "the checkpoint is not saved yet");
                }
                saved => return self.notice_fencing(saved),
            }
            tokio::select! {
                () = tokio::time::sleep(SAVE_AGAIN_AFTER) => {}
                () = self.cancelled().cancelled() => {}
            }
        }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.inner.lease
    }

    /// Asks the handler to stop. The first reason stays.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        let _ = self.inner.reason.set(reason);
        self.inner.cancelled.cancel();
    }

    /// Writes progress that the pace has held back.
    pub(crate) async fn flush_progress(&self) -> Result<(), JobsError> {
        let unwritten = self.pace().unwritten(Instant::now());
        self.write_progress(unwritten).await
    }

    async fn write_progress(&self, progress: Option<Progress>) -> Result<(), JobsError> {
        let Some(progress) = progress else {
            return Ok(());
        };
        match self.notice_fencing(self.lease().progress(&progress).await) {
            Err(error) if !matches!(error, JobsError::Fenced { .. }) => {
                self.pace().not_written();
                tracing::debug!(%error, "progress is written later");
                Ok(())
            }
            written => written,
        }
    }

    /// Whoever hears first that the lease is lost stops the handler.
    pub(crate) fn notice_fencing<T>(&self, written: Result<T, JobsError>) -> Result<T, JobsError> {
        if matches!(written, Err(JobsError::Fenced { .. })) {
            self.cancel(CancelReason::LeaseLost);
        }
        written
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.inner.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
