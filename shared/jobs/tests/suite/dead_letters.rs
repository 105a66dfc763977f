//! What has failed for good, and what is kept.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use crate::support::{Answer, Running, claim, start, start_with, wait_for, wait_for_state};
use agespan_jobs::{JobContext, JobFailure, JobState, Jobs, JobsError, ListFilter, Queue};

const KIND: &str = "train-model";

#[tokio::test]
async fn a_poison_job_is_listed_with_its_error_and_can_be_retried() {
    let fixture = start_with(|config| config.max_attempts = 2).await;
    let jobs = &fixture.jobs;
    let cured = Arc::new(AtomicBool::new(false));
    let is_cured = Arc::clone(&cured);
    let handler = Answer(move |context: &JobContext, _: &[u8]| {
        if is_cured.load(Ordering::SeqCst) {
            Ok(format!("fence {}", context.fence()))
        } else {
            Err(JobFailure::retryable("DISK_FULL", "no room for the weights"))
        }
    });
    let worker = Running::start(jobs, KIND, Arc::new(handler));
    let request = Some("a".to_owned());
    let job = jobs.submit(KIND, b"x", request.clone()).await.expect("submits");
    wait_for_state(jobs, &job.id, JobState::Failed).await;

    let filter = ListFilter { state: Some(JobState::Failed), ..ListFilter::default() };
    let (dead, _) = jobs.list(&filter, 10, None).await.expect("lists");
    let error = dead[0].error.clone().expect("says why");
    assert_eq!((dead.len(), &*error.reason), (1, "ATTEMPTS_EXHAUSTED"));
    assert!(error.message.contains("DISK_FULL: no room for the weights"), "{}", error.message);

    cured.store(true, Ordering::SeqCst);
    let again = jobs.retry(&job.id).await.expect("has failed");
    assert!(again.error.is_none() && again.finished.is_none(), "{again:?}");
    let done = wait_for_state(jobs, &job.id, JobState::Succeeded).await;
    // The fence goes on where it was, or an attempt of before could write.
    assert_eq!((done.attempt, done.result.as_deref()), (1, Some("fence 3")));
    let same = jobs.submit(KIND, b"x", request).await.expect("submits");
    assert_eq!(same.id, job.id, "the request id is still the job's");
    worker.stop().await;
}

#[tokio::test]
async fn only_what_has_failed_is_retried_and_once() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let (lease, _) = claim(&mut queue).await;
    lease.save_checkpoint("epoch 4").await.expect("holds the lease");
    lease.fail(&JobFailure::permanent("BAD", "cannot be")).await.expect("holds the lease");

    // Its answer may be lost: asked again it is the same retry.
    for _ in 0..2 {
        let job = jobs.retry(&job.id).await.expect("has failed");
        assert_eq!((job.state, job.attempt), (JobState::Queued, 0));
    }
    assert_eq!(queue.statistics().await.expect("redis answers").lag, Some(1));
    let (lease, _) = claim(&mut queue).await;
    assert_eq!((lease.attempt(), lease.checkpoint()), (1, Some("epoch 4")));
    let running = jobs.retry(&job.id).await.expect("is running");
    assert_eq!(running.state, JobState::Running);
    lease.succeed("models/1").await.expect("holds the lease");
    let refused = jobs.retry(&job.id).await;
    assert!(matches!(refused, Err(JobsError::NotFailed { state: JobState::Succeeded, .. })));
    let unknown = jobs.retry("93c5b1f2-5d53-4d4f-8f0a-000000000000").await;
    assert!(matches!(unknown, Err(JobsError::NotFound { .. })));
}

/// Nobody lists anything here: the workers alone keep the indexes from growing.
#[tokio::test]
async fn expired_jobs_leave_the_indexes_and_the_stream() {
    let fixture = start_with(|config| config.retention = Duration::from_millis(50)).await;
    let jobs = &fixture.jobs;
    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    for number in 0..20 {
        let request = Some(number.to_string());
        jobs.submit(KIND, b"", request).await.expect("submits");
        let (lease, _) = claim(&mut queue).await;
        lease.succeed("models/1").await.expect("holds the lease");
    }
    let kept = jobs.submit(KIND, b"", None).await.expect("submits");
    // Left: the job, two indexes, the stream, the counter.
    let look = async || {
        queue.tidy().await.expect("redis answers");
        (keys(jobs, &fixture.redis.url()).await, entries(&fixture.redis.url()).await)
    };
    wait_for("the expired to go", look, |left| *left == (5, [1, 1, 1])).await;
    assert_eq!(jobs.get(&kept.id).await.expect("is there").state, JobState::Queued);
}

async fn query<T: redis::FromRedisValue>(url: &str, command: &redis::Cmd) -> T {
    let client = redis::Client::open(url).expect("a valid url");
    let mut connection = client.get_multiplexed_async_connection().await.expect("connects");
    command.query_async(&mut connection).await.expect("redis answers")
}

async fn keys(jobs: &Jobs, url: &str) -> u64 {
    jobs.ping().await.expect("redis answers");
    query(url, &redis::cmd("DBSIZE")).await
}

/// Of both indexes and of the stream.
async fn entries(url: &str) -> [u64; 3] {
    let mut found = [0; 3];
    let names = ["agespan:index", "agespan:index:train-model", "agespan:queue:train-model"];
    for (found, name) in found.iter_mut().zip(names) {
        let command = if name.contains("queue") { "XLEN" } else { "ZCARD" };
        *found = query(url, redis::cmd(command).arg(name)).await;
    }
    found
}
