//! One program that serves.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use agespan_client::Client;
use agespan_client::proto::job::v1::{Job, WatchJobRequest};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// A start loads a model and a stop drains; both share two cores with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that serves. It is killed when this is dropped.
pub struct Process {
    /// http://127.0.0.1:port
    pub url: String,
    /// Speaks to it.
    pub client: Client,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program on a free port and waits until it takes connections. Its log goes to a file.
    pub(crate) async fn start(program: &Path, arguments: &[String], log: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        Self::spawn(command, log).await
    }

    /// Starts a command that logs JSON, and waits until it takes connections. Its log goes to a file.
    pub async fn spawn(mut command: Command, log: &Path) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut process = Self {
            url: String::new(),
            // Its address is not known yet.
            client: Client::new("http://127.0.0.1:1").unwrap(),
            child,
            log: log.to_owned(),
        };
        process.url = format!("http://{}", process.address().await);
        process.client = Client::new(&process.url).unwrap();
        process
    }

    async fn address(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(address) = self.log().lines().find_map(announced) {
                return address;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the program ended ({ended:?}): {}", self.log());
            assert!(Instant::now() < deadline, "the program does not serve: {}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// What its health service says of one of its services, or of the whole with "".
    pub async fn health(&self, service: &str) -> Result<String, tonic::Status> {
        let channel = Endpoint::from_shared(self.url.clone()).unwrap().connect_lazy();
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(channel).check(request).await?;
        Ok(answer.into_inner().status().as_str_name().to_owned())
    }

    /// Waits until a service says that it is ready.
    pub async fn ready(&self, service: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = self.health(service).await;
            if health.as_ref().is_ok_and(|status| status == "SERVING") {
                return;
            }
            assert!(Instant::now() < deadline, "{service} is {health:?}: {}", self.log());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Follows a job until a state of it is what is waited for.
    pub async fn until(&self, name: &str, awaited: impl Fn(&Job) -> bool) -> Job {
        let request = WatchJobRequest { name: name.to_owned() };
        let mut states = self.client.jobs().watch_job(request).await.unwrap().into_inner();
        let mut last = Job::default();
        while let Some(change) = states.message().await.unwrap() {
            last = change.job.unwrap();
            if awaited(&last) {
                return last;
            }
        }
        panic!("the job ended before that: {last:?}");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// SIGKILL: no drain, no good-bye.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().unwrap().cast_signed();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("the process did not end").unwrap()
    }
}

/// The address in the log line that announces it.
fn announced(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let serving = fields["message"] == "serving";
    serving.then(|| fields["address"].as_str().map(str::to_owned)).flatten()
}
