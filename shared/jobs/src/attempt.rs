//! One attempt at a job, from claimed to settled.

use std::{any::Any, sync::Arc, time::Duration};

use tokio::{task::JoinError, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    CancelReason, Handler, JobContext, JobFailure, JobsError, Lease, heartbeat,
    instruments::{self, Attempts},
};

/// Between two tries to settle an attempt while Redis is away.
const SETTLE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What an attempt needs besides its lease.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) shutdown: CancellationToken,
    /// How long a handler may take to stop.
    pub(crate) grace: Duration,
    pub(crate) lease: Duration,
    pub(crate) attempts: Attempts,
}

impl Attempt {
    /// Runs the handler and writes how it ended.
    pub(crate) async fn run(self, lease: Lease, payload: Vec<u8>) {
        let context = JobContext::new(lease);
        // Dropped with this future: an aborted worker must not keep leases alive.
        let _heartbeat =
            AbortOnDropHandle::new(tokio::spawn(heartbeat::beat(context.clone(), self.lease)));
        tracing::info!("the attempt starts");
        let started = Instant::now();
        let ended = self.handle(&context, payload).await;
        let outcome = instruments::outcome(&ended, context.cancel_reason());
        self.attempts.ended(outcome, started.elapsed());
        if let Err(error) = context.flush_progress().await {
            tracing::debug!(%error, "the last progress was not written");
        }
        self.settle(&context, ended).await;
    }

    async fn handle(&self, context: &JobContext, payload: Vec<u8>) -> Result<String, JobFailure> {
        // The worker's last read may have brought a job, even one that it has just given back.
        if self.shutdown.is_cancelled() {
            context.cancel(CancelReason::ShuttingDown);
            return Err(JobFailure::retryable("SHUTTING_DOWN", "not started"));
        }
        let (handler, seen) = (Arc::clone(&self.handler), context.clone());
        // A task of its own: a panic stays in it, and it can be dropped when it does not stop.
        let mut task =
            AbortOnDropHandle::new(tokio::spawn(async move { handler.run(&seen, &payload).await }));
        tokio::select! {
            ended = &mut task => ended.unwrap_or_else(|error| Err(panicked(error))),
            () = self.patience(context) => Err(JobFailure::retryable(
                "CANCELLATION_IGNORED",
                "the handler did not stop in time and was dropped",
            )),
        }
    }

    /// Passes the worker's shutdown on to the handler. Ends when a handler that should stop has had
    /// its time.
    async fn patience(&self, context: &JobContext) {
        tokio::select! {
            () = context.cancelled().cancelled() => {}
            () = self.shutdown.cancelled() => context.cancel(CancelReason::ShuttingDown),
        }
        tokio::time::sleep(self.grace).await;
    }

    /// Writes how the attempt ended, however long Redis is away: hours of work are not thrown away
    /// for a minute. A worker that shuts down gives up after its grace; the job is then taken over
    /// when its lease expires.
    async fn settle(&self, context: &JobContext, ended: Result<String, JobFailure>) {
        let trying = async {
            loop {
                match write_end(context, &ended).await {
                    Ok(()) => return,
                    Err(error) if error.is_unavailable() => {
                        tracing::warn!(%error, "the end of the attempt is not written yet");
                    }
                    Err(error) => return tracing::warn!(%error, "the attempt ended unheard"),
                }
                tokio::time::sleep(SETTLE_AGAIN_AFTER).await;
            }
        };
        let giving_up = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            // The try in flight goes first: with no grace at all there is still one.
            biased;
            () = trying => {}
            () = giving_up => tracing::warn!("shutting down before the end was written"),
        }
    }
}

async fn write_end(
    context: &JobContext,
    ended: &Result<String, JobFailure>,
) -> Result<(), JobsError> {
    let lease = context.lease();
    match (ended, context.cancel_reason()) {
        (_, Some(CancelReason::LeaseLost)) => {
            tracing::warn!("the lease is lost: nothing is written");
            Ok(())
        }
        (Ok(result), _) => {
            tracing::info!(%result, "the job has succeeded");
            lease.succeed(result).await
        }
        // A handler that was told to stop fails somehow; how says nothing about the job.
        (Err(_), Some(reason)) => {
            tracing::info!(?reason, "the job is given up");
            lease.release().await
        }
        (Err(failure), None) => {
            tracing::warn!(%failure, retryable = failure.retryable, "the attempt has failed");
            lease.fail(failure).await
        }
    }
}

fn panicked(error: JoinError) -> JobFailure {
    match error.try_into_panic() {
        Ok(panic) => JobFailure::retryable("HANDLER_PANICKED", panic_message(panic.as_ref())),
        // Nobody aborts the task while it is waited for; a runtime that shuts down does.
        Err(error) => JobFailure::retryable("HANDLER_ABORTED", error),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(message) = panic.downcast_ref::<&str>() {
        message
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message
    } else {
        "the panic has no message"
    }
}
