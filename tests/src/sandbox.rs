//! A folder and a Redis that outlive the processes started in it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use agespan_jobs::PrivateRedis;
use tempfile::TempDir;
use tokio::process::Command;

use crate::Process;

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program of this workspace.
pub fn program(name: &str) -> PathBuf {
    // target/release/deps/the-test
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join(name);
    assert!(program.exists(), "{} is not there: run `make build`", program.display());
    program
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A folder and a Redis of a test's own.
pub struct Sandbox {
    redis: Option<PrivateRedis>,
    redis_url: String,
    started: AtomicUsize,
    // Last: the Redis in it has to end first.
    dir: TempDir,
}

impl Sandbox {
    /// An empty one.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = PrivateRedis::start(&dir.path().join("redis")).await.unwrap();
        let redis_url = redis.url();
        Self { redis: Some(redis), redis_url, started: AtomicUsize::new(0), dir }
    }

    /// Where its Redis is.
    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// Kills its Redis.
    pub fn redis_goes(&mut self) {
        self.redis = None;
    }

    /// Starts its Redis again, on the same files.
    pub async fn redis_returns(&mut self) {
        let redis = PrivateRedis::start(&self.path("redis")).await.unwrap();
        self.redis = Some(redis);
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a program of the workspace here, with a store and a Redis that all of them share.
    /// What a process writes down for itself goes to a folder that is named after the program.
    pub async fn start(&self, name: &str, arguments: &[&str]) -> Process {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let data = self.path(name);
        let store = self.path("store");
        for (flag, value) in [
            ("--data-dir", data.to_str().unwrap()),
            ("--store", store.to_str().unwrap()),
            ("--redis-url", &self.redis_url),
            ("--lease-seconds", "2"),
        ] {
            all.extend([flag.to_owned(), value.to_owned()]);
        }
        let log = self.path(&format!("{number}-{name}.log"));
        Process::start(&program(name), &all, &log).await
    }

    /// All services in one process, ready to answer.
    pub async fn up(&self) -> Process {
        let process = self.start("agespan", &["up", "--model-threads", "1"]).await;
        process.ready("agespan.estimator.v1.EstimatorService").await;
        process
    }

    /// Runs `agespan` against a server.
    pub async fn agespan(&self, server: &Process, arguments: &[&str]) -> Said {
        self.alone(&[&["--server", server.url.as_str()], arguments].concat()).await
    }

    /// Runs `agespan` where no server is named.
    pub async fn alone(&self, arguments: &[&str]) -> Said {
        let output = Command::new(program("agespan"))
            .args(arguments)
            .current_dir(self.dir.path())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
