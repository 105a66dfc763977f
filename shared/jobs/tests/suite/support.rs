//! A Redis of the test's own, and waiting for conditions instead of for time.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agespan_jobs::{
    Delivery, Handler, Job, JobContext, JobFailure, JobState, Jobs, JobsConfig, Lease,
    PrivateRedis, Queue, Worker,
};
use async_trait::async_trait;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Generous: the machine may be busy, and a test that passes does not wait for it.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Fixture {
    pub(crate) jobs: Jobs,
    pub(crate) redis: PrivateRedis,
    pub(crate) dir: TempDir,
}

pub(crate) async fn start() -> Fixture {
    start_with(|_| {}).await
}

/// With a lease of 300 ms, so that lost leases are no matter of patience.
pub(crate) async fn start_with(change: impl FnOnce(&mut JobsConfig)) -> Fixture {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let redis = PrivateRedis::start(dir.path()).await.expect("redis starts");
    let mut config = config(redis.url());
    change(&mut config);
    let jobs = Jobs::new(config).expect("the configuration is valid");
    Fixture { jobs, redis, dir }
}

pub(crate) fn config(url: String) -> JobsConfig {
    let mut config = JobsConfig::new(url);
    config.lease = Duration::from_millis(300);
    config
}

/// Repeats `look` until `accept` takes what it shows; says what it showed last when that never
/// happens.
pub(crate) async fn wait_for<T: Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    accept: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let seen = look().await;
        if accept(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited for {what}, last saw {seen:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn wait_for_job(jobs: &Jobs, id: &str, accept: impl Fn(&Job) -> bool) -> Job {
    let look = async || jobs.get(id).await.expect("the job exists");
    wait_for("a job", look, accept).await
}

pub(crate) async fn wait_for_state(jobs: &Jobs, id: &str, state: JobState) -> Job {
    wait_for_job(jobs, id, |job| job.state == state).await
}

pub(crate) async fn wait_for_file(path: &std::path::Path) -> String {
    let look = async || std::fs::read_to_string(path).unwrap_or_default();
    wait_for("a file", look, |text| !text.is_empty()).await
}

/// Reads the queue until something is delivered and claimed.
pub(crate) async fn claim(queue: &mut Queue) -> (Lease, Vec<u8>) {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        for delivery in deliveries(queue).await {
            if let Some(claimed) = queue.claim(&delivery).await.expect("redis answers") {
                return claimed;
            }
        }
    }
    panic!("nothing could be claimed");
}

pub(crate) async fn deliveries(queue: &mut Queue) -> Vec<Delivery> {
    let mut found = queue.reclaim(10).await.expect("redis answers");
    found.extend(queue.read(10).await.expect("redis answers"));
    found
}

/// Changes a job behind everybody's back.
pub(crate) async fn set(fixture: &Fixture, id: &str, field: &str, value: &str) {
    let client = redis::Client::open(fixture.redis.url()).expect("a valid url");
    let mut connection = client.get_multiplexed_async_connection().await.expect("connects");
    let mut command = redis::cmd("HSET");
    command.arg(format!("agespan:job:{id}")).arg(field).arg(value);
    let _: u64 = command.query_async(&mut connection).await.expect("redis answers");
}

/// A worker in the background.
pub(crate) struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(jobs: &Jobs, kind: &str, handler: Arc<dyn Handler>) -> Self {
        Self::start_worker(Worker::new(jobs.clone(), kind, handler, 2))
    }

    pub(crate) fn start_worker(worker: Worker) -> Self {
        let shutdown = CancellationToken::new();
        let run = worker.run(shutdown.clone());
        let task = tokio::spawn(async move { run.await.expect("the kind is valid") });
        Self { shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("the worker does not panic");
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn abort(self) {
        self.task.abort();
    }
}

/// Answers every attempt with a closure.
pub(crate) struct Answer<F>(pub(crate) F);

#[async_trait]
impl<F> Handler for Answer<F>
where
    F: Fn(&JobContext, &[u8]) -> Result<String, JobFailure> + Send + Sync,
{
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        self.0(context, payload)
    }
}

/// Works until it is told to stop, and remembers why it was.
#[derive(Default)]
pub(crate) struct UntilCancelled {
    pub(crate) reasons: Mutex<Vec<agespan_jobs::CancelReason>>,
}

#[async_trait]
impl Handler for UntilCancelled {
    async fn run(&self, context: &JobContext, _: &[u8]) -> Result<String, JobFailure> {
        context.save_checkpoint("step 7").await?;
        context.cancelled().cancelled().await;
        let reason = context.cancel_reason().expect("there is a reason");
        self.reasons.lock().expect("no panic").push(reason);
        Err(JobFailure::permanent("STOPPED", "was told to stop"))
    }
}
