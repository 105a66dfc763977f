//! Redis goes away and comes back.

use std::{sync::Arc, time::Duration};

use agespan_jobs::{Handler, JobContext, JobFailure, JobState, PrivateRedis, availability};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::support::{Running, start_with, wait_for, wait_for_job};

const KIND: &str = "train-model";

/// Saves a checkpoint when it may.
struct Saves {
    gate: Semaphore,
}

#[async_trait]
impl Handler for Saves {
    async fn run(&self, context: &JobContext, _: &[u8]) -> Result<String, JobFailure> {
        context.note_progress(1, 2, "waiting");
        let _ = self.gate.acquire().await;
        context.save_checkpoint("epoch 1").await?;
        Ok("models/1".to_owned())
    }
}

#[tokio::test]
async fn an_outage_costs_no_attempt_and_no_checkpoint() {
    // Longer than the outage: whether a worker is quick enough to renew is not the question.
    let fixture = start_with(|config| config.lease = Duration::from_secs(600)).await;
    let (jobs, dir) = (fixture.jobs, fixture.dir);
    let (mut well, keep) = availability(jobs.clone());
    let keep = tokio::spawn(keep);
    well.wait_for(|well| *well).await.expect("is kept");
    let handler = Arc::new(Saves { gate: Semaphore::new(0) });
    let worker = Running::start(&jobs, KIND, Arc::clone(&handler) as Arc<dyn Handler>);
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    wait_for_job(&jobs, &job.id, |job| job.progress.done == 1).await;

    drop(fixture.redis);
    handler.gate.add_permits(1);
    well.wait_for(|well| !*well).await.expect("is kept");
    let _redis = PrivateRedis::start(dir.path()).await.expect("starts again");
    well.wait_for(|well| *well).await.expect("is kept");

    let look = async || jobs.get(&job.id).await.ok();
    let is_over =
        |job: &Option<agespan_jobs::Job>| job.as_ref().is_some_and(|job| job.state.is_terminal());
    let done = wait_for("the job to end", look, is_over).await.expect("is there");
    assert_eq!((done.state, done.attempt), (JobState::Succeeded, 1), "{done:?}");
    let saved = jobs.checkpoint(&job.id).await.expect("redis answers");
    assert_eq!(saved.as_deref(), Some("epoch 1"));
    worker.stop().await;
    keep.abort();
}
