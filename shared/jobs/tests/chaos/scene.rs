//! Where it happens: Redis, worker processes, and the links between.

use std::{path::Path, time::Duration};

use agespan_jobs::{Jobs, PrivateRedis};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{sync::Mutex, time::sleep};

use crate::{
    faults::Plan,
    history::{Event, Log, now},
    proxy::Proxy,
    worker::{Order, Running, config, spawn},
};

/// Jobs that one worker process runs at once.
const CONCURRENCY: usize = 6;

pub(crate) struct Scene {
    /// One for each worker, and one for those who submit and watch.
    pub(crate) links: Vec<Proxy>,
    pub(crate) log: Log,
    workers: Vec<Mutex<(Running, usize)>>,
    redis: Mutex<Option<PrivateRedis>>,
    lease: Duration,
    /// Last: what is in it has to end first.
    dir: TempDir,
}

impl Scene {
    pub(crate) async fn new(plan: &Plan) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let redis = PrivateRedis::start(&dir.path().join("redis")).await.expect("redis starts");
        let socket = dir.path().join("redis/redis.sock");
        let mut links = Vec::new();
        for _ in 0..=plan.workers {
            links.push(Proxy::start(&socket).await);
        }
        let log = Log::open(dir.path(), "faults");
        let redis = Mutex::new(Some(redis));
        let mut scene = Self { links, log, workers: Vec::new(), redis, lease: plan.lease, dir };
        for worker in 0..plan.workers {
            let running = scene.spawn(worker, 0);
            scene.workers.push(Mutex::new((running, 0)));
        }
        scene
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The jobs as those see them who submit and watch.
    pub(crate) fn jobs(&self, max_attempts: Option<u32>) -> Jobs {
        let mut config = config(&self.links[self.links.len() - 1].url(), self.lease);
        config.max_attempts = max_attempts.unwrap_or(config.max_attempts);
        Jobs::new(config).expect("a valid configuration")
    }

    /// SIGKILL, and another process in its place.
    pub(crate) async fn kill(&self, worker: usize) {
        let mut place = self.workers[worker].lock().await;
        place.0.signal(Signal::KILL);
        self.log.write(Event::Struck { worker: place.0.name.clone() });
        let number = place.1 + 1;
        // The old one is reaped when it is replaced.
        *place = (self.spawn(worker, number), number);
    }

    /// Stops a worker for a while, or wakes it. Its name says later whether it is still the same.
    pub(crate) async fn signal(&self, worker: usize, signal: Signal) -> String {
        let place = self.workers[worker].lock().await;
        place.0.signal(signal);
        self.log.write(Event::Struck { worker: place.0.name.clone() });
        place.0.name.clone()
    }

    /// Wakes a stopped worker, unless it was killed meanwhile.
    pub(crate) async fn go_on(&self, worker: usize, name: &str) {
        let place = self.workers[worker].lock().await;
        if place.0.name == name {
            place.0.signal(Signal::CONT);
        }
    }

    /// SIGKILL, and after a while the same data again.
    pub(crate) async fn kill_redis(&self, lasts: Duration) {
        let mut place = self.redis.lock().await;
        let redis = place.take().expect("is running");
        let pid = Pid::from_raw(redis.id().cast_signed()).expect("a process id");
        let from = now();
        kill_process(pid, Signal::KILL).expect("is ours");
        drop(redis);
        sleep(lasts).await;
        let dir = self.dir.path().join("redis");
        *place = Some(PrivateRedis::start(&dir).await.expect("redis starts again"));
        self.log.write(Event::Outage { from });
    }

    fn spawn(&self, worker: usize, number: usize) -> Running {
        let order = Order {
            name: format!("worker-{worker}-{number}"),
            url: self.links[worker].url(),
            lease: self.lease,
            concurrency: CONCURRENCY,
            dir: self.dir.path().to_owned(),
        };
        spawn(&self.dir.path().join(format!("worker-{worker}")), &order)
    }
}
