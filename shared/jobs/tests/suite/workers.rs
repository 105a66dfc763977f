//! Workers: what handlers see, and what becomes of jobs when handlers or workers end badly.

use std::{
    process::{Child, Command},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agespan_jobs::{
    CancelReason, Handler, JobContext, JobFailure, JobState, Jobs, ListFilter, PrivateRedis, Queue,
    Worker,
};
use async_trait::async_trait;

use crate::support::{
    Answer, Fixture, Running, UntilCancelled, config, set, start, start_with, wait_for,
    wait_for_file, wait_for_job, wait_for_state,
};

const KIND: &str = "train-model";

#[tokio::test]
async fn jobs_run_and_leave_no_lag() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(jobs.submit(KIND, &[number], None).await.expect("submits").id);
    }
    // One of them is cancelled before anybody works.
    jobs.cancel(&ids[7]).await.expect("is queued");
    let echo = Answer(|_: &JobContext, payload: &[u8]| Ok(format!("models/{}", payload[0])));
    let worker = Running::start(jobs, KIND, Arc::new(echo));
    for (number, id) in ids.iter().enumerate().filter(|(number, _)| *number != 7) {
        let job = wait_for_state(jobs, id, JobState::Succeeded).await;
        assert_eq!(job.result, Some(format!("models/{number}")));
        assert_eq!((job.attempt, job.fence), (1, 1));
    }
    let queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let look = async || queue.statistics().await.expect("redis answers");
    wait_for("an empty queue", look, |statistics| {
        (statistics.lag, statistics.pending) == (Some(0), 0)
    })
    .await;
    worker.stop().await;
    let after = queue.statistics().await.expect("redis answers");
    assert_eq!((after.lag, after.pending), (Some(0), 0));
}

#[tokio::test]
async fn a_running_job_is_cancelled_through_its_handler() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let handler = Arc::new(UntilCancelled::default());
    let worker = Running::start(jobs, KIND, Arc::clone(&handler) as Arc<dyn Handler>);
    wait_for_state(jobs, &job.id, JobState::Running).await;
    jobs.cancel(&job.id).await.expect("is running");
    let job = wait_for_state(jobs, &job.id, JobState::Cancelled).await;
    assert_eq!((job.error, job.finished.is_some()), (None, true));
    assert_eq!(*handler.reasons.lock().expect("no panic"), [CancelReason::Cancelled]);
    worker.stop().await;
}

#[tokio::test]
async fn a_shutdown_gives_jobs_back_without_counting_the_attempt() {
    // A long lease: if the job were not given back, the next worker would have to wait for it.
    let fixture = start_with(|config| config.lease = Duration::from_secs(600)).await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let handler = Arc::new(UntilCancelled::default());
    let first = Running::start(jobs, KIND, Arc::clone(&handler) as Arc<dyn Handler>);
    saved_checkpoint(jobs, &job.id, "step 7").await;
    first.stop().await;
    assert_eq!(*handler.reasons.lock().expect("no panic"), [CancelReason::ShuttingDown]);
    let given_back = jobs.get(&job.id).await.expect("is there");
    assert_eq!((given_back.state, given_back.attempt), (JobState::Queued, 0));

    let second = Running::start(jobs, KIND, Arc::new(Answer(continued)));
    let job = wait_for_state(jobs, &job.id, JobState::Succeeded).await;
    assert_eq!((job.attempt, job.result.as_deref()), (1, Some("after step 7")));
    // At least: the first worker's last read may have taken it once more and given it back.
    assert!(job.fence >= 2, "fence {}", job.fence);
    second.stop().await;
}

#[tokio::test]
async fn a_handler_that_ignores_the_shutdown_is_dropped() {
    struct Deaf;
    #[async_trait]
    impl Handler for Deaf {
        async fn run(&self, _: &JobContext, _: &[u8]) -> Result<String, JobFailure> {
            std::future::pending().await
        }
    }
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let worker = Worker::new(jobs.clone(), KIND, Arc::new(Deaf), 1);
    let worker = Running::start_worker(worker.with_grace(Duration::from_millis(20)));
    wait_for_state(jobs, &job.id, JobState::Running).await;
    worker.stop().await;
    let job = jobs.get(&job.id).await.expect("is there");
    assert_eq!((job.state, job.attempt), (JobState::Queued, 0));
}

#[tokio::test]
async fn a_panic_is_a_retryable_failure() {
    // Printing a backtrace can hold up a busy machine for longer than the usual lease of a test.
    let fixture = start_with(|config| config.lease = Duration::from_secs(30)).await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let handler = Answer(|context: &JobContext, _: &[u8]| match context.attempt() {
        1 => panic!("index 7 is out of range"),
        attempt => Ok(format!("attempt {attempt}")),
    });
    let worker = Running::start(jobs, KIND, Arc::new(handler));
    let job = wait_for_state(jobs, &job.id, JobState::Succeeded).await;
    assert_eq!(job.result.as_deref(), Some("attempt 2"));
    let error = job.last_error.expect("is remembered");
    assert_eq!((&*error.reason, &*error.message), ("HANDLER_PANICKED", "index 7 is out of range"));
    worker.stop().await;
}

#[tokio::test]
async fn failures_are_retried_until_the_attempts_are_used_or_at_once_final() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let passing = jobs.submit(KIND, b"passing", None).await.expect("submits");
    let lasting = jobs.submit(KIND, b"lasting", None).await.expect("submits");
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let handler = Answer(move |_: &JobContext, payload: &[u8]| {
        if payload == b"lasting" {
            return Err(JobFailure::permanent("INVALID_DATASET", "it is empty"));
        }
        counted.fetch_add(1, Ordering::Relaxed);
        Err(JobFailure::retryable("STORE_AWAY", "the store did not answer"))
    });
    let worker = Running::start(jobs, KIND, Arc::new(handler));
    let passing = wait_for_state(jobs, &passing.id, JobState::Failed).await;
    let error = passing.error.expect("says why");
    assert_eq!((&*error.reason, passing.attempt), ("ATTEMPTS_EXHAUSTED", 3));
    assert!(error.message.contains("STORE_AWAY: the store did not answer"), "{}", error.message);
    assert_eq!(runs.load(Ordering::Relaxed), 3);

    let lasting = wait_for_state(jobs, &lasting.id, JobState::Failed).await;
    let error = lasting.error.expect("says why");
    assert_eq!((&*error.reason, lasting.attempt), ("INVALID_DATASET", 1));
    worker.stop().await;
}

#[tokio::test]
async fn progress_is_written_to_its_end_and_never_back() {
    struct Counting;
    #[async_trait]
    impl Handler for Counting {
        async fn run(&self, context: &JobContext, _: &[u8]) -> Result<String, JobFailure> {
            for done in 1..=500 {
                context.progress(done, 500, "counting").await?;
            }
            context.progress(3, 500, "looking back").await?;
            // The heartbeat, too, writes what was held back.
            context.cancelled().cancelled().await;
            Err(JobFailure::permanent("STOPPED", "was told to stop"))
        }
    }
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let worker = Running::start(jobs, KIND, Arc::new(Counting));
    let job = wait_for_job(jobs, &job.id, |job| job.progress.message == "looking back").await;
    assert_eq!((job.progress.done, job.progress.total), (500, 500));
    // 501 reports are not 501 writes. Each write raises the revision, and so do two transitions.
    assert!(job.revision < 250, "{} changes", job.revision);
    jobs.cancel(&job.id).await.expect("is running");
    wait_for_state(jobs, &job.id, JobState::Cancelled).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_is_told() {
    /// Cut off from Redis in the only way a test can see: its fence is overtaken.
    struct Overtaken {
        seen: Mutex<Vec<CancelReason>>,
    }
    #[async_trait]
    impl Handler for Overtaken {
        async fn run(&self, context: &JobContext, _: &[u8]) -> Result<String, JobFailure> {
            context.save_checkpoint("running").await?;
            context.cancelled().cancelled().await;
            let reason = context.cancel_reason().expect("there is a reason");
            self.seen.lock().expect("no panic").push(reason);
            Ok("models/stale".to_owned())
        }
    }
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let handler = Arc::new(Overtaken { seen: Mutex::default() });
    let worker = Running::start(jobs, KIND, Arc::clone(&handler) as Arc<dyn Handler>);
    saved_checkpoint(jobs, &job.id, "running").await;
    set(&fixture, &job.id, "claim", "another").await;
    let look = async || handler.seen.lock().expect("no panic").clone();
    wait_for("the handler to be told", look, |seen| *seen == [CancelReason::LeaseLost]).await;
    worker.stop().await;
    let job = jobs.get(&job.id).await.expect("is there");
    assert_eq!((job.state, job.result), (JobState::Running, None));
}

#[tokio::test]
async fn an_aborted_worker_loses_its_job_to_another() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let first = Running::start(jobs, KIND, Arc::new(UntilCancelled::default()));
    saved_checkpoint(jobs, &job.id, "step 7").await;
    first.abort();
    let second = Running::start(jobs, KIND, Arc::new(Answer(continued)));
    let job = wait_for_state(jobs, &job.id, JobState::Succeeded).await;
    assert_eq!((job.attempt, job.result.as_deref()), (2, Some("after step 7")));
    second.stop().await;
}

/// The process that the test below kills.
#[tokio::test]
#[ignore = "is started by a_killed_process_is_replaced_from_its_checkpoint"]
async fn worker_process() {
    let Ok(url) = std::fs::read_to_string("redis-url") else {
        return;
    };
    let jobs = Jobs::new(config(url)).expect("a valid url");
    let worker = Running::start(&jobs, KIND, Arc::new(UntilCancelled::default()));
    std::fs::write("started", "yes").expect("writes");
    std::future::pending::<()>().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_killed_process_is_replaced_from_its_checkpoint() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let mut process = spawn_worker(&fixture).await;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    saved_checkpoint(jobs, &job.id, "step 7").await;
    process.kill().expect("is alive");
    process.wait().expect("is dead");
    let left = jobs.get(&job.id).await.expect("is there");
    assert_eq!((left.state, left.attempt), (JobState::Running, 1));

    let second = Running::start(jobs, KIND, Arc::new(Answer(continued)));
    let job = wait_for_state(jobs, &job.id, JobState::Succeeded).await;
    assert_eq!((job.attempt, job.result.as_deref()), (2, Some("after step 7")));
    assert_eq!(job.last_error.map(|error| error.reason).as_deref(), Some("WORKER_LOST"));
    second.stop().await;
}

#[tokio::test]
async fn a_worker_outlives_its_redis() {
    /// Ends its work while Redis is away.
    struct Meanwhile {
        gate: tokio::sync::Semaphore,
    }
    #[async_trait]
    impl Handler for Meanwhile {
        async fn run(&self, context: &JobContext, _: &[u8]) -> Result<String, JobFailure> {
            context.save_checkpoint("running").await?;
            let _ = self.gate.acquire().await;
            Ok("models/1".to_owned())
        }
    }
    let fixture = start().await;
    let (jobs, dir) = (fixture.jobs, fixture.dir);
    let handler = Arc::new(Meanwhile { gate: tokio::sync::Semaphore::new(0) });
    let worker = Running::start(&jobs, KIND, Arc::clone(&handler) as Arc<dyn Handler>);
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    saved_checkpoint(&jobs, &job.id, "running").await;

    drop(fixture.redis);
    handler.gate.add_permits(10);
    let away = jobs.list(&ListFilter::default(), 1, None).await;
    assert!(away.is_err(), "{away:?}");
    let _redis = PrivateRedis::start(dir.path()).await.expect("starts again");

    let look = async || jobs.get(&job.id).await.ok();
    let done = wait_for("the job to end", look, |job| {
        job.as_ref().is_some_and(|job| job.state == JobState::Succeeded)
    })
    .await;
    assert_eq!(done.and_then(|job| job.result).as_deref(), Some("models/1"));
    let next = jobs.submit(KIND, b"", None).await.expect("submits");
    wait_for_state(&jobs, &next.id, JobState::Succeeded).await;
    worker.stop().await;
}

fn continued(context: &JobContext, _: &[u8]) -> Result<String, JobFailure> {
    Ok(format!("after {}", context.checkpoint().unwrap_or("nothing")))
}

async fn saved_checkpoint(jobs: &Jobs, id: &str, checkpoint: &str) {
    let look = async || jobs.checkpoint(id).await.expect("redis answers");
    wait_for("a checkpoint", look, |saved| saved.as_deref() == Some(checkpoint)).await;
}

async fn spawn_worker(fixture: &Fixture) -> Child {
    let dir = fixture.dir.path();
    std::fs::write(dir.join("redis-url"), fixture.redis.url()).expect("writes");
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "workers::worker_process", "--ignored"])
        .current_dir(dir)
        .spawn()
        .expect("starts again");
    wait_for_file(&dir.join("started")).await;
    child
}
