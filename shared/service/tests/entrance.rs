//! The entrance of a server that hosts nothing of its own: real sockets, no Redis.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use agespan_client::tls::ClientFiles;
use agespan_client::{Client, Credentials, Secret, TokenSource};
use agespan_jobs::{Jobs, JobsConfig};
use agespan_proto::job::v1::{CancelJobRequest, GetJobRequest};
use agespan_service::security::tokens::{Permission, issue};
use agespan_service::{CancellationToken, Config, Entrance, serve};
use clap::Parser;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_stream::iter;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

/// A name that a job could have.
const JOB: &str = "jobs/6c4b7d5e-58c1-4c61-9f0a-3a2b1c0d9e8f";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    process: Config,
}

struct Server {
    address: SocketAddr,
    health: Option<SocketAddr>,
    /// How its own services call each other.
    own: Client,
    dir: TempDir,
    predict: Secret,
    admin: Secret,
}

impl Server {
    /// With two callers, who have the permissions by which the fields are called.
    async fn start(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (predict, one) = issue("one", &[Permission::Predict], None).unwrap();
        let (admin, other) = issue("other", &[Permission::Admin], None).unwrap();
        fs::write(dir.path().join("tokens.toml"), [one, other].join("\n")).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        fs::write(dir.path().join("server.pem"), certificate.pem()).unwrap();
        fs::write(dir.path().join("server.key"), key.serialize_pem()).unwrap();

        // A flag's file lies in the folder.
        let files = flags.iter().map(|flag| match flag.strip_prefix("--") {
            Some(_) => (*flag).to_owned(),
            None => dir.path().join(flag).display().to_string(),
        });
        let begin = ["test", "--listen", "127.0.0.1:0"].map(str::to_owned);
        let config = Arguments::parse_from(begin.into_iter().chain(files)).process;
        let (entrance, own) = Entrance::open(&config).await.unwrap();
        let (address, health) = (entrance.address().unwrap(), entrance.health_address());
        // Nothing listens there.
        let socket = format!("redis+unix://{}/none.sock", dir.path().display());
        let jobs = Jobs::new(JobsConfig::new(socket)).unwrap();
        let drain = Duration::from_secs(1);
        tokio::spawn(serve(entrance, Vec::new(), jobs, drain, CancellationToken::new()));
        Self { address, health, own, dir, predict, admin }
    }

    fn client(&self, token: &Secret) -> Client {
        let token = Some(TokenSource::Given(token.clone()));
        let credentials = Credentials { token, ..Default::default() };
        Client::with(&format!("http://{}", self.address), &credentials).unwrap()
    }

    fn audited(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.path().join("audit")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn with_token<T>(message: T, token: Option<&Secret>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        // The scheme is written in any case.
        let value = MetadataValue::try_from(format!("bearer {}", token.expose())).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

async fn reflect(server: &Server, token: Option<&Secret>) -> Result<(), Status> {
    let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let mut client = ServerReflectionClient::new(channel.connect_lazy());
    let ask = iter([ServerReflectionRequest::default()]);
    client.server_reflection_info(with_token(ask, token)).await.map(drop)
}

#[tokio::test]
async fn probes_need_no_token_reflection_any_and_the_rest_the_right_one() {
    let server = Server::start(&["--tokens", "tokens.toml"]).await;
    let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let check = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel.connect_lazy()).check(check).await.unwrap();

    assert_eq!(reflect(&server, None).await.unwrap_err().code(), Code::Unauthenticated);
    let stranger = Secret::from("agespan_00".to_owned());
    let refused = reflect(&server, Some(&stranger)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    reflect(&server, Some(&server.predict)).await.unwrap();

    let get = || GetJobRequest { name: "no job's name".to_owned() };
    let asked = server.client(&server.predict).jobs().get_job(get()).await;
    assert_eq!(asked.unwrap_err().code(), Code::PermissionDenied);
    for client in [server.client(&server.admin), server.own.clone()] {
        let answered = client.jobs().get_job(get()).await.unwrap_err();
        assert_eq!(answered.code(), Code::InvalidArgument);
    }
    // Not hosted here, which only who may ask is told.
    let import = || agespan_proto::dataset::v1::ImportDatasetRequest::default();
    let asked = server.client(&server.predict).datasets().import_dataset(import()).await;
    assert_eq!(asked.unwrap_err().code(), Code::PermissionDenied);
    let asked = server.client(&server.admin).datasets().import_dataset(import()).await;
    assert_eq!(asked.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn an_act_is_written_down_however_it_ends() {
    let server = Server::start(&["--tokens", "tokens.toml", "--audit-log", "audit"]).await;
    let cancel = |name: &str| CancelJobRequest { name: name.to_owned() };
    let admin = server.client(&server.admin);
    assert!(admin.jobs().cancel_job(cancel("no job's name")).await.is_err());
    let denied = server.client(&server.predict).jobs().cancel_job(cancel("jobs/a")).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    // The job store is away: either that is seen first, or the caller hangs up.
    let mut jobs = admin.jobs();
    let hasty = jobs.cancel_job(cancel(JOB));
    assert!(!matches!(tokio::time::timeout(Duration::from_millis(20), hasty).await, Ok(Ok(_))));

    let mut lines = server.audited();
    for _ in 0..100 {
        if lines.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        lines = server.audited();
    }
    let seen: Vec<_> = lines
        .iter()
        .map(|line| ["event", "caller", "resource", "status"].map(|key| line[key].as_str()))
        .collect();
    let act = Some("administration");
    let other = Some("token:other");
    assert_eq!(seen[0], [act, other, Some("no job's name"), Some("INVALID_ARGUMENT")]);
    assert_eq!(seen[1], [Some("refusal"), Some("token:one"), None, Some("PERMISSION_DENIED")]);
    assert_eq!(seen[2][..3], [act, other, Some(JOB)]);
    assert!([Some("CANCELLED"), Some("UNAVAILABLE")].contains(&seen[2][3]), "{seen:?}");
}

#[tokio::test]
async fn who_connects_and_says_nothing_keeps_nobody_out() {
    let tls = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
    let server = Server::start(&tls).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let tls = ClientFiles { ca: Some(server.dir.path().join("server.pem")), identity: None };
    let credentials = Credentials { tls, ..Default::default() };
    let client = Client::with(&format!("https://{}", server.address), &credentials).unwrap();
    let get = GetJobRequest { name: "no job's name".to_owned() };
    let mut jobs = client.jobs();
    let answer = tokio::time::timeout(Duration::from_secs(5), jobs.get_job(get)).await.unwrap();
    assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn probes_that_cannot_do_tls_have_an_address_of_their_own() {
    let tls = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
    let own = ["--tokens", "tokens.toml", "--health-listen=127.0.0.1:0"];
    let server = Server::start(&[&tls[..], &own].concat()).await;
    let channel = Endpoint::from_shared(format!("http://{}", server.health.unwrap())).unwrap();
    let channel = channel.connect_lazy();
    let check = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel.clone()).check(check).await.unwrap();
    // And nothing else is there, whatever token is shown.
    let get = with_token(GetJobRequest { name: JOB.to_owned() }, Some(&server.admin));
    let mut jobs = agespan_proto::job::v1::job_service_client::JobServiceClient::new(channel);
    assert_eq!(jobs.get_job(get).await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn there_is_room_for_so_many_connections_and_again_when_one_goes() {
    let server = Server::start(&["--max-connections=2"]).await;
    let ask = async || {
        let client = Client::new(&format!("http://{}", server.address)).unwrap();
        let get = GetJobRequest { name: "no job's name".to_owned() };
        let code = client.jobs().get_job(get).await.unwrap_err().code();
        (client, code)
    };
    let (_first, answer) = ask().await;
    assert_eq!(answer, Code::InvalidArgument);
    let (second, answer) = ask().await;
    assert_eq!(answer, Code::InvalidArgument);
    assert_ne!(ask().await.1, Code::InvalidArgument);
    drop(second);
    for _ in 0..500 {
        if ask().await.1 == Code::InvalidArgument {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a connection that was closed still takes a place");
}
