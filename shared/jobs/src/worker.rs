//! Takes jobs of one kind and runs them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Delivery, Handler, Jobs, JobsError, Lease, Queue, attempt::Attempt, instruments::Attempts,
    trace,
};

/// A handler that checks its token between steps needs seconds; Kubernetes waits for 30.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// How long the loop waits after an error before it asks Redis again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

const TIDY_EVERY: Duration = Duration::from_secs(30);

/// Runs jobs of one kind, several at once.
pub struct Worker {
    jobs: Jobs,
    kind: String,
    handler: Arc<dyn Handler>,
    concurrency: usize,
    grace: Duration,
}

impl Worker {
    /// A worker that runs up to `concurrency` jobs (at least one) at the same time.
    pub fn new(
        jobs: Jobs,
        kind: impl Into<String>,
        handler: Arc<dyn Handler>,
        concurrency: usize,
    ) -> Self {
        Self {
            jobs,
            kind: kind.into(),
            handler,
            concurrency: concurrency.max(1),
            grace: DEFAULT_GRACE,
        }
    }

    /// How long a handler may take to stop before it is dropped. The default is 10 s.
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The kind of its jobs.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Runs jobs until `shutdown`; then stops the handlers, gives their jobs back and returns. That
    /// Redis is away is no reason to return: it is asked again. The only error is an invalid kind.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), JobsError> {
        let mut source = Source::new(Queue::new(self.jobs.clone(), &self.kind)?, &self.jobs);
        let slots = Arc::new(Semaphore::new(self.concurrency));
        let attempt = Attempt {
            handler: self.handler,
            shutdown: shutdown.clone(),
            grace: self.grace,
            lease: self.jobs.config().lease,
            attempts: Attempts::new(&self.kind),
        };
        // A JoinSet aborts what it holds when this future is dropped.
        let mut running = JoinSet::new();
        while let Some(permits) = free_slots(&slots, &shutdown).await {
            while running.try_join_next().is_some() {}
            let deliveries = source.next(permits.len(), &shutdown).await;
            for (delivery, permit) in deliveries.iter().zip(permits) {
                let Some((lease, payload)) = source.claim(delivery, &shutdown).await else {
                    continue;
                };
                let span = tracing::info_span!(
                    "job",
                    kind = self.kind,
                    id = lease.job_id(),
                    attempt = lease.attempt()
                );
                trace::continue_in(&span, lease.trace.as_deref());
                // Also when a shutdown came while reading: the attempt gives the job back at once.
                let work = attempt.clone().run(lease, payload).instrument(span);
                running.spawn(async move {
                    work.await;
                    drop(permit);
                });
            }
        }
        running.join_all().await;
        source.leave().await;
        Ok(())
    }
}

/// All slots that are free, once there is at least one. `None` on shutdown.
async fn free_slots(
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        biased;
        () = shutdown.cancelled() => return None,
        permit = Arc::clone(slots).acquire_owned() => permit.ok()?,
    };
    let mut permits = vec![first];
    while let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
        permits.push(permit);
    }
    Some(permits)
}

/// Where deliveries come from: entries that others have left, then new ones.
struct Source {
    queue: Queue,
    lease: Duration,
    reclaim_every: Duration,
    next_reclaim: Instant,
    last_tidy: Instant,
    is_down: bool,
}

impl Source {
    fn new(queue: Queue, jobs: &Jobs) -> Self {
        Self {
            queue,
            // A dead worker's job is taken over within 1 + 1/5 (this) + 1/5 (a read) leases.
            lease: jobs.config().lease,
            reclaim_every: jobs.config().lease / 5,
            next_reclaim: Instant::now(),
            last_tidy: Instant::now(),
            is_down: false,
        }
    }

    /// Up to `count` deliveries; none after a while without any, or after an error.
    async fn next(&mut self, count: usize, shutdown: &CancellationToken) -> Vec<Delivery> {
        match self.try_next(count).await {
            Ok(deliveries) => {
                if std::mem::take(&mut self.is_down) {
                    tracing::info!("Redis is back");
                }
                deliveries
            }
            Err(error) => {
                // Once per outage, not twice a second.
                if !std::mem::replace(&mut self.is_down, true) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no jobs can be taken, trying again"
                    );
                }
                // While Redis was away the leases of the living have run out as well: they renew
                // first, or every long outage would make all work begin again from a checkpoint.
                self.next_reclaim = Instant::now() + self.lease / 3;
                self.pause(shutdown).await;
                Vec::new()
            }
        }
    }

    async fn try_next(&mut self, count: usize) -> Result<Vec<Delivery>, JobsError> {
        if self.last_tidy.elapsed() >= TIDY_EVERY {
            self.queue.tidy().await?;
            self.last_tidy = Instant::now();
        }
        if Instant::now() >= self.next_reclaim {
            let found = self.queue.reclaim(count).await?;
            if !found.is_empty() {
                // More may be waiting: look again before new work is taken.
                return Ok(found);
            }
            self.next_reclaim = Instant::now() + self.reclaim_every;
        }
        self.queue.read(count).await
    }

    /// Claims, and asks again while Redis is away: the claim may have been granted and only its
    /// answer lost, and an attempt is not to be spent on that. After a lease it is somebody else's.
    async fn claim(
        &self,
        delivery: &Delivery,
        shutdown: &CancellationToken,
    ) -> Option<(Lease, Vec<u8>)> {
        let asked = Instant::now();
        loop {
            let error = match self.queue.claim(delivery).await {
                Ok(claimed) => return claimed,
                Err(error) => error,
            };
            let is_over = asked.elapsed() >= self.lease || shutdown.is_cancelled();
            if is_over || !error.is_unavailable() {
                // It stays pending and comes again after a lease.
                tracing::warn!(%error, id = delivery.job_id(), "a job was not claimed");
                return None;
            }
            self.pause(shutdown).await;
        }
    }

    async fn pause(&self, shutdown: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN_AFTER.min(self.lease / 5)) => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn leave(&self) {
        if let Err(error) = self.queue.leave().await {
            tracing::debug!(%error, "the consumer stays until another worker tidies up");
        }
    }
}
