//! What a fail-over may lose: a real primary and a real replica.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use agespan_jobs::{Job, JobState, Jobs, JobsConfig, JobsError};
use tempfile::TempDir;

use crate::support::wait_for;

const KIND: &str = "train-model";

/// A `redis-server` on a port of loopback. It is killed when this is dropped.
struct Server {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Server {
    fn start(primary: Option<&Server>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("is bound").port();
        drop(free);
        let mut command = server(dir.path(), port);
        if let Some(primary) = primary {
            command.args(["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        }
        Self { child: command.spawn().expect("redis-server is installed"), port, _dir: dir }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Submissions wait for so many replicas.
    fn jobs(&self, replicas: u32) -> Jobs {
        let mut config = JobsConfig::new(self.url());
        config.lease = Duration::from_millis(300);
        config.replicas = replicas;
        config.replicas_within = Duration::from_millis(200);
        Jobs::new(config).expect("a valid configuration")
    }

    async fn tell(&self, command: &redis::Cmd) {
        let client = redis::Client::open(self.url()).expect("a valid url");
        let mut connection = client.get_multiplexed_async_connection().await.expect("connects");
        let _: redis::Value = command.query_async(&mut connection).await.expect("redis answers");
    }

    /// Where nobody listens it is cut off.
    async fn follow(&self, port: u16) {
        self.tell(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(dir: &Path, port: u16) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    command.args(["--repl-diskless-sync-delay", "0", "--dir"]).arg(dir);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn request(number: u32) -> Option<String> {
    Some(format!("request-{number}"))
}

/// Repeats a submission, as a caller does, until it is acknowledged.
async fn submitted(jobs: &Jobs, number: u32) -> Job {
    let look = async || jobs.submit(KIND, b"", request(number)).await;
    wait_for("an acknowledged job", look, Result::is_ok).await.expect("is acknowledged")
}

async fn refused(jobs: &Jobs, number: u32) {
    // The second time nothing new is written, and still nobody has it.
    for _ in 0..2 {
        let answer = jobs.submit(KIND, b"", request(number)).await;
        assert!(
            matches!(answer, Err(JobsError::NotReplicated { reached: 0, wanted: 1 })),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn what_replicas_have_acknowledged_survives_a_fail_over() {
    let primary = Server::start(None);
    let (careful, careless) = (primary.jobs(1), primary.jobs(0));
    let _ = wait_for("the primary", async || careful.ping().await, Result::is_ok).await;
    refused(&careful, 0).await;

    let replica = Server::start(Some(&primary));
    let mut acknowledged = vec![submitted(&careful, 0).await];
    for number in 1..20 {
        acknowledged.push(submitted(&careful, number).await);
    }
    // The replica is cut off: the careful hear of it, the careless do not.
    replica.follow(1).await;
    refused(&careful, 20).await;
    let mut risked = Vec::new();
    for number in 100..120 {
        risked.push(submitted(&careless, number).await);
    }
    drop(primary);
    replica.tell(redis::cmd("REPLICAOF").arg(&["NO", "ONE"])).await;
    let survivor = replica.jobs(0);
    for job in &acknowledged {
        assert_eq!(survivor.get(&job.id).await.expect("is kept").state, JobState::Queued);
    }
    // This is what is risked without: all that was acknowledged since the replica was cut off.
    for job in &risked {
        assert!(matches!(survivor.get(&job.id).await, Err(JobsError::NotFound { .. })));
    }
}

#[tokio::test]
async fn a_primary_that_wants_replicas_is_unavailable_without() {
    let primary = Server::start(None);
    let jobs = primary.jobs(0);
    let _ = wait_for("the primary", async || jobs.ping().await, Result::is_ok).await;
    let mut setting = redis::cmd("CONFIG");
    setting.arg(&["SET", "min-replicas-to-write", "1"]);
    primary.tell(&setting).await;
    let answer = jobs.submit(KIND, b"", None).await;
    assert!(matches!(answer, Err(JobsError::Unavailable { .. })), "{answer:?}");
    let _replica = Server::start(Some(&primary));
    submitted(&jobs, 0).await;
}
