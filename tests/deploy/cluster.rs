//! A cluster without a cluster: the pods of an overlay as processes, each with the command, the variables and
//! the files that the manifests give it, at an address of its own.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use agespan_tests::{Process, Said, Sandbox, program, setting};
use serde_json::Value;
use tokio::process::Command;

use crate::bucket::Bucket;
use crate::manifests::{Manifests, Pod, items};

/// The services that are called by name. A Service of Kubernetes would resolve it.
const CALLED: [&str; 5] =
    ["dataset", "age-estimator", "conformal-calibrator", "diffusion-generator", "evaluator"];
/// Where nobody answers: the collector is not there, and nothing may wait for it.
const NOBODY: &str = "127.0.0.1:9";
const BUCKET: &str = "agespan";

pub(crate) struct Cluster {
    pub(crate) sandbox: Sandbox,
    pub(crate) bucket: Bucket,
    pods: Vec<Pod>,
    /// The first three numbers of all addresses: tests that run at the same time have others.
    network: String,
    started: Cell<usize>,
}

impl Cluster {
    /// Redis, a bucket and the Secrets; no pod yet.
    pub(crate) async fn new(overlay: &str) -> Self {
        let sandbox = Sandbox::new().await;
        let bucket = Bucket::start(BUCKET, &sandbox.path("bucket.log")).await;
        let number = std::process::id();
        let cluster = Self {
            bucket,
            pods: Manifests::of(overlay).processes(),
            network: format!("127.{}.{}", 1 + number / 250 % 250, 1 + number % 250),
            started: Cell::new(CALLED.len()),
            sandbox,
        };
        cluster.make_secrets().await;
        cluster
    }

    /// As deploy/README.md tells it.
    async fn make_secrets(&self) {
        for folder in ["callers", "service-token", "imports"] {
            fs::create_dir(self.path(folder)).unwrap();
        }
        let make = async |name: &str, permissions: &str| {
            let append = ["--append", "callers/tokens.toml"];
            let new = ["token", "new", name, "--permissions", permissions];
            let said = self.sandbox.alone(&[&new[..], &append].concat()).await;
            assert_eq!(said.code, 0, "{}", said.err);
            said.out
        };
        let token = make("services", "predict,jobs").await;
        fs::write(self.path("service-token/token"), token).unwrap();
        let token = make("operator", "predict,jobs,models,admin").await;
        fs::write(self.path("token-of-operator"), token).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// Starts one more pod of a Deployment and waits until its probe says that it is ready.
    pub(crate) async fn start(&self, deployment: &str) -> Process {
        let pod = self.pods.iter().find(|pod| pod.name == deployment).unwrap();
        let number = self.started.get() + 1;
        self.started.set(number);
        let called = CALLED.iter().position(|name| *name == deployment);
        let address = self.address(called.map_or(number, |place| place + 1));
        let name = format!("{deployment}-{number}");
        let data = self.path(&name);
        fs::create_dir(&data).unwrap();

        let container = pod.container();
        let mut command = Command::new(program("agespan"));
        command.args(items(&container["args"]).map(|argument| argument.as_str().unwrap()));
        // Nothing of the test's own surroundings.
        command.env_clear().envs(self.bucket.variables()).current_dir(&data);
        for (variable, value) in &pod.variables {
            let value = match (variable.as_str(), value) {
                (_, Some(value)) => self.told(value, &name, &address, container),
                ("AGESPAN_REDIS_URL", None) => self.sandbox.redis_url().to_owned(),
                ("POD_NAME", None) => name.clone(),
                (other, None) => panic!("{deployment}: where does {other} come from?"),
            };
            command.env(variable, value);
        }
        // A pod has the processors of its limit, and here all of them share two.
        command.env("AGESPAN_MODEL_THREADS", "1");
        let process = Process::spawn(command, &self.path(&format!("{name}.log"))).await;
        assert_eq!(process.url, format!("http://{address}:50051"));
        process.ready(container["readinessProbe"]["grpc"]["service"].as_str().unwrap()).await;
        process
    }

    /// A variable's value with this machine's addresses and folders in the place of a cluster's.
    fn told(&self, value: &str, pod: &str, address: &str, container: &Value) -> String {
        let mut value =
            value.replace("$(POD_NAME)", pod).replace("0.0.0.0:", &format!("{address}:"));
        value = value.replace("otel-collector:4317", NOBODY);
        for (place, name) in CALLED.iter().enumerate() {
            value = value.replace(
                &format!("http://{name}:"),
                &format!("http://{}:", self.address(place + 1)),
            );
        }
        // Once: this machine's own folders may begin like a pod's.
        let inside = |mount: &&Value| value.starts_with(mount["mountPath"].as_str().unwrap());
        if let Some(mount) = items(&container["volumeMounts"]).find(inside) {
            let outside = self.volume(mount["name"].as_str().unwrap(), pod);
            let path = mount["mountPath"].as_str().unwrap();
            return value.replacen(path, outside.to_str().unwrap(), 1);
        }
        value
    }

    fn volume(&self, name: &str, pod: &str) -> PathBuf {
        match name {
            "weights" => {
                let weights = setting("AGESPAN_FIRST_WEIGHTS").expect("run `make setup`");
                Path::new(&weights).parent().unwrap().to_owned()
            }
            "data" => self.path(pod),
            shared => self.path(shared),
        }
    }

    fn address(&self, host: usize) -> String {
        format!("{}.{host}", self.network)
    }

    /// Runs `agespan` as the operator, against one of the processes.
    pub(crate) async fn agespan(&self, server: &Process, arguments: &[&str]) -> Said {
        let token = self.path("token-of-operator");
        let told = ["--server", &server.url, "--token-file", token.to_str().unwrap(), "--json"];
        self.sandbox.alone(&[&told[..], arguments].concat()).await
    }

    /// The lines of JSON that a command prints which succeeds.
    pub(crate) async fn lines(&self, server: &Process, arguments: &[&str]) -> Vec<Value> {
        let said = self.agespan(server, arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
