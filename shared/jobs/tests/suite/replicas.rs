//! What a fail-over may lose: a real primary and a real replica.

use std::time::Duration;

use agespan_jobs::{Job, JobState, Jobs, JobsConfig, JobsError};

use crate::{server::Server, support::wait_for};

const KIND: &str = "train-model";

struct Node(Server);

impl Node {
    fn start(primary: Option<&Node>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = primary.map(|primary| primary.0.port.to_string());
        let follows = port.iter().flat_map(|port| ["--replicaof", "127.0.0.1", port]);
        let more: Vec<_> = ["--repl-diskless-sync-delay", "0"].into_iter().chain(follows).collect();
        Self(Server::start(dir, "--port", &more))
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port)
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
    let primary = Node::start(None);
    let (careful, careless) = (primary.jobs(1), primary.jobs(0));
    let _ = wait_for("the primary", async || careful.ping().await, Result::is_ok).await;
    refused(&careful, 0).await;

    let replica = Node::start(Some(&primary));
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
    let primary = Node::start(None);
    let jobs = primary.jobs(0);
    let _ = wait_for("the primary", async || jobs.ping().await, Result::is_ok).await;
    let mut setting = redis::cmd("CONFIG");
    setting.arg(&["SET", "min-replicas-to-write", "1"]);
    primary.tell(&setting).await;
    let answer = jobs.submit(KIND, b"", None).await;
    assert!(matches!(answer, Err(JobsError::Unavailable { .. })), "{answer:?}");
    let _replica = Node::start(Some(&primary));
    submitted(&jobs, 0).await;
}
