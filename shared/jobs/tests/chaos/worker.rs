//! A process that runs jobs with the real [`Worker`], and writes down what it does.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use agespan_jobs::{
    CancelReason, Handler, JobContext, JobFailure, Jobs, JobsConfig, JobsError, Worker,
};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    checker::result_of,
    history::{Event, Log, Place, now},
};

pub(crate) const KIND: &str = "chaos";

/// What a worker process is told, in a file of its folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) lease: Duration,
    pub(crate) concurrency: usize,
    /// Where the histories are.
    pub(crate) dir: PathBuf,
}

/// A tiny job.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) steps: u64,
    pub(crate) step: Duration,
    pub(crate) nature: Nature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Nature {
    Sound,
    /// Fails each time.
    Poison,
    /// Fails until the file `cured` is there.
    Curable,
}

pub(crate) fn config(url: &str, lease: Duration) -> JobsConfig {
    let mut config = JobsConfig::new(url);
    config.lease = lease;
    // Many faults may meet one job; the limit is tested by those that are poison.
    config.max_attempts = 100;
    config
}

const ORDER: &str = "order.json";

/// Starts a worker process: this test program once more.
pub(crate) fn spawn(folder: &Path, order: &Order) -> Running {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join(ORDER), serde_json::to_vec(order).expect("JSON")).expect("writes");
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "worker_process", "--ignored"])
        .current_dir(folder)
        // It ends with this pipe, should this process be killed.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    Running { child, name: order.name.clone() }
}

/// A worker process. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) name: String,
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process id");
        kill_process(pid, signal).expect("it is ours and not reaped yet");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `worker_process` does.
pub(crate) async fn run() {
    let Ok(order) = std::fs::read(ORDER) else {
        return;
    };
    let order: Order = serde_json::from_slice(&order).expect("an order");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
    let jobs = Jobs::new(config(&order.url, order.lease)).expect("a valid configuration");
    let log = Log::open(&order.dir, &order.name);
    let concurrency = order.concurrency;
    let worker = Worker::new(jobs, KIND, Arc::new(Tiny { order, log }), concurrency);
    worker.run(CancellationToken::new()).await.expect("a valid kind");
}

/// Takes steps, saves each, and has one effect.
struct Tiny {
    order: Order,
    log: Log,
}

#[async_trait]
impl Handler for Tiny {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let task: Task = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("PAYLOAD", error))?;
        let (job, fence) = (context.job_id().to_owned(), context.fence());
        let checkpoint: Option<Place> =
            context.checkpoint().map(|text| serde_json::from_str(text).expect("a place"));
        let worker = self.order.name.clone();
        self.log.write(Event::Started { job: job.clone(), fence, worker, checkpoint });
        let done = checkpoint.map_or(0, |place| place.step);
        for step in done + 1..=task.steps {
            tokio::select! {
                () = tokio::time::sleep(task.step) => {}
                () = context.cancelled().cancelled() => return self.stop(context).await,
            }
            self.step(context, step, &task).await?;
        }
        if let Err(failure) = self.fail(task.nature) {
            self.log.write(Event::Failed { job, fence });
            return Err(failure);
        }
        let artifact = format!("artifacts/{job}");
        self.log.write(Event::Effect { job, fence, artifact: artifact.clone() });
        Ok(result_of(&artifact, fence))
    }
}

impl Tiny {
    async fn step(&self, context: &JobContext, step: u64, task: &Task) -> Result<(), JobFailure> {
        context.note_progress(step, task.steps, "stepping");
        self.save(context, Place { fence: context.fence(), step }).await?;
        Ok(())
    }

    async fn save(&self, context: &JobContext, place: Place) -> Result<(), JobsError> {
        let (job, begun) = (context.job_id().to_owned(), now());
        let saved = context.save_checkpoint(&serde_json::to_string(&place).expect("JSON")).await;
        match &saved {
            Ok(()) => self.log.write(Event::Saved { job, place, begun }),
            Err(JobsError::Fenced { .. }) => {
                self.log.write(Event::Refused { job, fence: place.fence });
            }
            Err(_) => {}
        }
        saved
    }

    /// One that lost its lease goes on writing, as a bad handler would: it must be refused.
    async fn stop(&self, context: &JobContext) -> Result<String, JobFailure> {
        if context.cancel_reason() == Some(CancelReason::LeaseLost) {
            let place = Place { fence: context.fence(), step: u64::MAX };
            self.save(context, place).await?;
        }
        Err(JobFailure::retryable("STOPPED", "was told to stop"))
    }

    fn fail(&self, nature: Nature) -> Result<(), JobFailure> {
        let is_ill = match nature {
            Nature::Sound => false,
            Nature::Poison => true,
            Nature::Curable => !self.order.dir.join("cured").exists(),
        };
        if is_ill { Err(JobFailure::retryable("ILL", "fails each time")) } else { Ok(()) }
    }
}
