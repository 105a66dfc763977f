//! What a collector is told of jobs.

use std::time::Duration;

use opentelemetry::metrics::{Gauge, Histogram, Meter};
use opentelemetry::{KeyValue, global};

use crate::{CancelReason, JobFailure, Jobs, JobsError, Queue};

/// How often queues are looked at: as often as a Prometheus usually asks.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Seconds: from what a request could have done to a night of training.
const SECONDS: [f64; 12] =
    [0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 10_800.0, 43_200.0];

fn meter() -> Meter {
    global::meter("agespan.jobs")
}

/// The attempts of one process at jobs of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    kind: String,
    time: Histogram<f64>,
}

impl Attempts {
    pub(crate) fn new(kind: &str) -> Self {
        let time = meter()
            .f64_histogram("agespan.jobs.attempt_time")
            .with_description("How long attempts took, by the kind of the job and how they ended")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec())
            .build();
        Self { kind: kind.to_owned(), time }
    }

    pub(crate) fn ended(&self, outcome: &'static str, time: Duration) {
        let kind = KeyValue::new("kind", self.kind.clone());
        self.time.record(time.as_secs_f64(), &[kind, KeyValue::new("outcome", outcome)]);
    }
}

/// How an attempt ended, in a word.
pub(crate) fn outcome(
    ended: &Result<String, JobFailure>,
    reason: Option<CancelReason>,
) -> &'static str {
    match (ended, reason) {
        (_, Some(CancelReason::LeaseLost)) => "lease_lost",
        (Ok(_), _) => "succeeded",
        (Err(_), Some(CancelReason::Cancelled)) => "cancelled",
        (Err(_), Some(CancelReason::ShuttingDown)) => "given_back",
        (Err(failure), None) if failure.retryable => "failed_retryable",
        (Err(_), None) => "failed",
    }
}

/// Tells a collector how much work there is, for ever. Every process that is asked for jobs does, so
/// that a queue whose workers are scaled to nothing is seen as well.
pub async fn measure_queues(jobs: Jobs, kinds: Vec<&'static str>) -> Result<(), JobsError> {
    let gauge = |name: &'static str, description: &'static str| {
        meter().u64_gauge(name).with_description(description).build()
    };
    let waiting = gauge("agespan.jobs.waiting", "Jobs that no worker has taken yet, by kind");
    let pending =
        gauge("agespan.jobs.pending", "Jobs that a worker has, or that wait for a retry, by kind");
    let queues: Vec<_> = kinds
        .into_iter()
        .map(|kind| Ok((kind, Queue::new(jobs.clone(), kind)?)))
        .collect::<Result<_, JobsError>>()?;
    loop {
        for (kind, queue) in &queues {
            look(queue, kind, &waiting, &pending).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// While Redis is away the last values stay; its absence is told elsewhere.
async fn look(queue: &Queue, kind: &'static str, waiting: &Gauge<u64>, pending: &Gauge<u64>) {
    let Ok(now) = queue.statistics().await else { return };
    let kind = [KeyValue::new("kind", kind)];
    if let Some(lag) = now.lag {
        waiting.record(lag as u64, &kind);
    }
    pending.record(now.pending as u64, &kind);
}
