//! Who may write to a job, and what becomes of entries.

use std::time::Duration;

use crate::support::{claim, config, deliveries, set, start, start_with, wait_for};
use agespan_jobs::{JobFailure, JobState, Jobs, JobsError, Progress, Queue};

const KIND: &str = "train-model";

#[tokio::test]
async fn a_stale_worker_is_fenced_off() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let mut old_queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let mut new_queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");

    let (old, _) = claim(&mut old_queue).await;
    old.save_checkpoint("epoch 1").await.expect("holds the lease");
    // The old worker falls silent; after its lease the other one gets the job.
    let (new, _) = claim(&mut new_queue).await;
    assert_eq!(new.job_id(), job.id);
    assert!(new.fence() > old.fence());
    assert_eq!((new.attempt(), new.checkpoint()), (2, Some("epoch 1")));
    // It renews, so that what follows does not depend on how fast this machine is.
    new.renew().await.expect("holds the lease");

    let progress = Progress::default();
    let failure = JobFailure::permanent("STALE", "must not be seen");
    for (what, refused) in [
        ("renew", old.renew().await.map(drop)),
        ("progress", old.progress(&progress).await),
        ("checkpoint", old.save_checkpoint("epoch 0").await),
        ("succeed", old.succeed("models/old").await),
        ("fail", old.fail(&failure).await),
        ("release", old.release().await),
    ] {
        assert!(matches!(refused, Err(JobsError::Fenced { .. })), "{what}: {refused:?}");
    }

    new.succeed("models/new").await.expect("holds the newest fence");
    let done = jobs.get(&job.id).await.expect("is there");
    assert_eq!((done.state, done.result.as_deref()), (JobState::Succeeded, Some("models/new")));
    assert_eq!(done.last_error.map(|error| error.reason).as_deref(), Some("WORKER_LOST"));
    assert_eq!(jobs.checkpoint(&job.id).await.expect("is there").as_deref(), Some("epoch 1"));
    assert!(matches!(new.renew().await, Err(JobsError::Fenced { .. })));
}

/// A replica that takes over may not have heard of the last claim, and count it once more.
#[tokio::test]
async fn a_claim_that_a_fail_over_forgot_cannot_write() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let mut old_queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let mut new_queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let (old, _) = claim(&mut old_queue).await;
    set(&fixture, &job.id, "fence", "0").await;
    let (new, _) = claim(&mut new_queue).await;
    assert_eq!(new.fence(), old.fence());
    let stale = old.succeed("models/old").await;
    assert!(matches!(stale, Err(JobsError::Fenced { .. })), "{stale:?}");
    new.succeed("models/new").await.expect("holds the lease");
    let stale = old.succeed("models/old").await;
    assert!(matches!(stale, Err(JobsError::Fenced { .. })), "{stale:?}");
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_claimed_once() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    jobs.submit(KIND, b"x", None).await.expect("submits");
    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let look = async || queue.read(1).await.expect("redis answers");
    let delivery = wait_for("the entry", look, |found| !found.is_empty()).await.remove(0);
    let (lost, _) = queue.claim(&delivery).await.expect("redis answers").expect("is queued");
    let (lease, payload) = queue.claim(&delivery).await.expect("redis answers").expect("is ours");
    assert_eq!((lease.fence(), lease.attempt(), &*payload), (lost.fence(), 1, b"x".as_slice()));
    lease.succeed("models/1").await.expect("holds the lease");
    assert!(queue.claim(&delivery).await.expect("redis answers").is_none());
}

#[tokio::test]
async fn a_job_that_is_held_is_not_taken_over() {
    let fixture = start_with(|config| config.lease = Duration::from_secs(600)).await;
    let jobs = &fixture.jobs;
    jobs.submit(KIND, b"", None).await.expect("submits");
    let mut holder = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let (lease, _) = claim(&mut holder).await;
    // A consumer with a much shorter lease takes the entry over, and must give it back.
    let hasty = Jobs::new(config(fixture.redis.url())).expect("a valid configuration");
    let mut other = Queue::new(hasty, KIND).expect("a valid kind");
    let look = async || {
        let mut seen = 0;
        for delivery in deliveries(&mut other).await {
            let claimed = other.claim(&delivery).await.expect("redis answers");
            assert!(claimed.is_none(), "taken over while it was held");
            seen += 1;
        }
        seen
    };
    wait_for("the entry to be delivered again", look, |seen| *seen > 0).await;
    lease.succeed("models/1").await.expect("holds the lease");
}

#[tokio::test]
async fn the_last_attempt_fails_with_the_last_error() {
    let fixture = start_with(|config| config.max_attempts = 2).await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");

    let (first, _) = claim(&mut queue).await;
    let failure = JobFailure::retryable("STORE_AWAY", "the store did not answer");
    first.fail(&failure).await.expect("holds the lease");
    first.fail(&failure).await.expect("a repeated end is the same end");
    let waiting = jobs.get(&job.id).await.expect("is there");
    assert_eq!((waiting.state, waiting.attempt), (JobState::Queued, 1));
    assert_eq!(waiting.last_error.map(|error| error.reason).as_deref(), Some("STORE_AWAY"));
    assert_eq!(waiting.error, None);

    // The second worker dies without a word. Nobody can claim the job after that.
    let (second, _) = claim(&mut queue).await;
    assert_eq!(second.attempt(), 2);
    let look = async || {
        for delivery in deliveries(&mut queue).await {
            let claimed = queue.claim(&delivery).await.expect("redis answers");
            assert!(claimed.is_none(), "there is no third attempt");
        }
        jobs.get(&job.id).await.expect("is there")
    };
    let failed = wait_for("the job to fail", look, |job| job.state == JobState::Failed).await;
    let error = failed.error.expect("says why");
    assert_eq!(error.reason, "ATTEMPTS_EXHAUSTED");
    assert!(error.message.contains("WORKER_LOST"), "{}", error.message);
    assert_eq!(queue.statistics().await.expect("redis answers").pending, 0);
}

#[tokio::test]
async fn a_job_left_by_a_dead_worker_is_cancelled_at_once() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let (lease, _) = claim(&mut queue).await;
    let asked = jobs.cancel(&job.id).await.expect("is running");
    assert!(asked.cancel_requested);
    let look = async || jobs.cancel(&job.id).await.map(|job| job.state);
    let is_over = |state: &Result<JobState, JobsError>| !matches!(state, Ok(JobState::Running));
    let state = wait_for("the lease to expire", look, is_over).await;
    assert_eq!(state.expect("is not finished before"), JobState::Cancelled);
    assert!(matches!(lease.succeed("models/1").await, Err(JobsError::Fenced { .. })));
}

#[tokio::test]
async fn trimming_keeps_what_is_needed_and_the_lag_a_number() {
    let fixture = start_with(|config| config.lease = Duration::from_secs(600)).await;
    let jobs = &fixture.jobs;
    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let lag = async |queue: &Queue| queue.statistics().await.expect("redis answers").lag;
    assert_eq!(lag(&queue).await, Some(0));
    for _ in 0..10 {
        jobs.submit(KIND, b"", None).await.expect("submits");
    }
    assert_eq!(lag(&queue).await, Some(10));

    let read = queue.read(6).await.expect("redis answers");
    let mut leases = Vec::new();
    for delivery in &read {
        let claimed = queue.claim(delivery).await.expect("redis answers");
        leases.push(claimed.expect("can be claimed").0);
    }
    // The first three are done, the fourth is released (a new entry), two are still running.
    for lease in &leases[..3] {
        lease.succeed("models/1").await.expect("holds the lease");
    }
    leases[3].release().await.expect("holds the lease");
    queue.tidy().await.expect("redis answers");
    let statistics = queue.statistics().await.expect("redis answers");
    assert_eq!((statistics.lag, statistics.pending), (Some(5), 2));
    queue.leave().await.expect("redis answers");
    assert_eq!(queue.statistics().await.expect("redis answers").pending, 2);

    for lease in &leases[4..] {
        lease.succeed("models/1").await.expect("holds the lease");
    }
    for delivery in queue.read(10).await.expect("redis answers") {
        let claimed = queue.claim(&delivery).await.expect("redis answers");
        let (lease, _) = claimed.expect("can be claimed");
        lease.succeed("models/1").await.expect("holds the lease");
    }
    queue.leave().await.expect("redis answers");
    let statistics = queue.statistics().await.expect("redis answers");
    assert_eq!((statistics.lag, statistics.pending), (Some(0), 0));
    jobs.submit(KIND, b"", None).await.expect("submits");
    assert_eq!(lag(&queue).await, Some(1));
    assert_eq!(queue.read(10).await.expect("redis answers").len(), 1);
}
