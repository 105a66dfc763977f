//! Who may come in: TLS, tokens, quotas, what is written down, and what never is.

mod authority;
mod certified;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use agespan_client::proto::calibrator::v1::ListCalibrationsRequest;
use agespan_client::proto::estimator::v1::{
    BatchEstimateAgeRequest, EstimateAgeRequest, ListModelsRequest, VerifyAgeRequest,
};
use agespan_client::proto::job::v1::{DeleteJobRequest, ListJobsRequest};
use agespan_client::tls::ClientFiles;
use agespan_client::{Client, Credentials, TokenSource};
use agespan_tests::{Process, Said, Sandbox, faces};
use base64::Engine as _;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use authority::Authority;

const ESTIMATOR: &str = "agespan.estimator.v1.EstimatorService";

/// A system under TLS with tokens, and what its operator and its callers hold.
struct Guarded {
    sandbox: Sandbox,
    authority: Authority,
    server: Process,
    url: String,
}

impl Guarded {
    /// Starts `program` with these flags beside TLS and tokens. Each caller is a name and what goes
    /// to `agespan token new`.
    async fn start(program: &[&str], flags: &[&str], callers: &[(&str, &[&str])]) -> Self {
        let sandbox = Sandbox::new().await;
        let authority = Authority::new("the authority");
        fs::write(sandbox.path("ca.pem"), authority.pem()).unwrap();
        authority.write_server(&sandbox.path("server"));
        for (name, asked) in callers {
            let new = [&["token", "new", name, "--append", "tokens.toml"], *asked].concat();
            let said = sandbox.alone(&new).await;
            assert_eq!(said.code, 0, "{}", said.err);
            fs::write(sandbox.path(&format!("{name}.token")), said.out).unwrap();
        }
        let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
        let (certificate, key) = (path("server.pem"), path("server.key"));
        let tokens = path("tokens.toml");
        let mut all = program[1..].to_vec();
        all.extend(["--tls-cert", &certificate, "--tls-key", &key]);
        if !callers.is_empty() {
            all.extend(["--tokens", &tokens]);
        }
        all.extend(flags);
        let server = sandbox.start(program[0], &all).await;
        let url = server.url.replace("http://", "https://");
        Self { sandbox, authority, server, url }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    fn token(&self, caller: &str) -> String {
        fs::read_to_string(self.path(&format!("{caller}.token"))).unwrap().trim().to_owned()
    }

    /// A client that trusts the authority and shows this caller's token.
    fn client(&self, caller: Option<&str>) -> Client {
        let token = caller.map(|name| TokenSource::File(self.path(&format!("{name}.token"))));
        let tls = ClientFiles { ca: Some(self.path("ca.pem")), identity: None };
        Client::with(&self.url, &Credentials { tls, token, ..Default::default() }).unwrap()
    }

    /// Waits until a caller is answered.
    async fn ready(&self, caller: &str) {
        let client = self.client(Some(caller));
        let deadline = Instant::now() + Duration::from_secs(120);
        while let Err(status) = models(&client).await {
            assert!(Instant::now() < deadline, "{status}: {}", self.server.log());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs `agespan` against it, with the authority known.
    async fn agespan(&self, arguments: &[&str]) -> Said {
        let server = ["--server", &self.url, "--ca", "ca.pem"];
        self.sandbox.alone(&[&server, arguments].concat()).await
    }
}

async fn models(client: &Client) -> Result<(), Status> {
    client.estimator().list_models(ListModelsRequest::default()).await.map(drop)
}

async fn calibrations(client: &Client) -> Result<(), Status> {
    client.calibrator().list_calibrations(ListCalibrationsRequest::default()).await.map(drop)
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

fn refused(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

#[tokio::test]
async fn a_system_under_tls_answers_whom_it_knows_for_what_they_may() {
    let callers: [(&str, &[&str]); 4] = [
        ("shop", &["--permissions", "predict"]),
        ("batches", &["--permissions", "predict", "--per-second", "1", "--burst", "9"]),
        ("ops", &["--permissions", "jobs,models"]),
        ("root", &["--permissions", "admin"]),
    ];
    let threads = ["--model-threads", "1"];
    let guarded = Guarded::start(&["agespan", "up"], &threads, &callers).await;
    guarded.ready("shop").await;

    // The way of a newcomer, by the command line.
    let photo = faces::portrait();
    let predict = ["--json", "predict", photo.to_str().unwrap()];
    let said = guarded.agespan(&[&["--token-file", "shop.token"], &predict[..]].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let answer: Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert!(answer["lower"].as_f64().unwrap() <= answer["upper"].as_f64().unwrap(), "{answer}");
    let none = guarded.agespan(&["job", "list"]).await;
    assert!(none.code == 1 && none.err.contains("--token-file"), "{}", none.err);
    let shop = ["--token-file", "shop.token", "job", "list"];
    let denied = guarded.agespan(&shop).await;
    assert!(denied.code == 1 && denied.err.contains("\"jobs\""), "{}", denied.err);
    assert_eq!(denied.err.lines().count(), 1, "{}", denied.err);
    let ops = ["--token-file", "ops.token", "job", "list"];
    assert_eq!(guarded.agespan(&ops).await.code, 0);

    // Every answer by its code and reason.
    let list = async |caller: Option<&str>| {
        let client = guarded.client(caller);
        client.jobs().list_jobs(ListJobsRequest::default()).await.map(drop)
    };
    let missing = refused(Code::Unauthenticated, "TOKEN_MISSING");
    assert_eq!(reason(&list(None).await.unwrap_err()), missing);
    let lacking = refused(Code::PermissionDenied, "PERMISSION_MISSING");
    assert_eq!(reason(&list(Some("shop")).await.unwrap_err()), lacking);
    list(Some("ops")).await.unwrap();
    fs::write(guarded.path("stranger.token"), "agespan_00").unwrap();
    let unknown = refused(Code::Unauthenticated, "TOKEN_UNKNOWN");
    assert_eq!(reason(&list(Some("stranger")).await.unwrap_err()), unknown);

    // A batch counts for the photos that it holds.
    let client = guarded.client(Some("batches"));
    let image: bytes::Bytes = fs::read(faces::portrait()).unwrap().into();
    let request = BatchEstimateAgeRequest { images: vec![image; 20], ..Default::default() };
    client.estimator().batch_estimate_age(request).await.unwrap();
    let later = models(&client).await.unwrap_err();
    assert_eq!(reason(&later), refused(Code::ResourceExhausted, "QUOTA"));
    let wait = later.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(12), "{wait:?}");

    // Services of the process call each other past all that.
    let verify = async |caller: &str| {
        let image = fs::read(faces::portrait()).unwrap().into();
        let request = VerifyAgeRequest { image, at_least: 18, ..Default::default() };
        guarded.client(Some(caller)).estimator().verify_age(request).await
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while verify("shop").await.is_err() {
        assert!(Instant::now() < deadline, "{:?}", verify("shop").await);
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_alone() {
    let callers: [(&str, &[&str]); 1] = [("shop", &["--permissions", "predict"])];
    let program = ["agespan-conformal-calibrator"];
    let guarded = Guarded::start(&program, &[], &callers).await;
    calibrations(&guarded.client(Some("shop"))).await.unwrap();

    let other = Authority::new("another");
    fs::write(guarded.path("other.pem"), other.pem()).unwrap();
    let list = ["--token-file", "shop.token", "calibration", "list"];
    let run = async |url: &str, flags: &[&str]| {
        guarded.sandbox.alone(&[&["--server", url], flags, &list[..]].concat()).await
    };
    for flags in [&["--ca", "other.pem"][..], &[]] {
        let said = run(&guarded.url, flags).await;
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
        assert!(said.err.contains("--ca"), "{}", said.err);
    }
    let plain = run(&guarded.server.url, &[]).await;
    assert!(plain.code == 1 && plain.err.contains("https://"), "{}", plain.err);
    let absent = run(&guarded.url, &["--ca", "none.pem"]).await;
    assert!(absent.code == 1 && absent.err.contains("none.pem"), "{}", absent.err);
    assert_eq!(run(&guarded.url, &["--ca", "ca.pem"]).await.code, 0);
}

#[tokio::test]
async fn mutual_tls_lets_in_whom_the_authority_signed_and_services_call_each_other_by_it() {
    let sandbox = Sandbox::new().await;
    let (authority, server) = Authority::mutual(&sandbox);
    authority.write_client(&sandbox.path("estimator"), "estimator.agespan");
    let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let (ca, audit) = (path("ca.pem"), path("audit.jsonl"));
    let mut flags: Vec<&str> = server.iter().map(String::as_str).collect();
    flags.extend(["--audit-log", &audit]);
    let calibrator = sandbox.start("agespan-conformal-calibrator", &flags).await;
    let calibrator_url = calibrator.url.replace("http://", "https://");

    let (shown, shown_key) = (path("estimator.pem"), path("estimator.key"));
    let mut flags = vec!["--calibrator-url", &calibrator_url, "--model-threads", "1", "--ca", &ca];
    flags.extend(["--client-cert", &shown, "--client-key", &shown_key]);
    let estimator = sandbox.start("agespan-age-estimator", &flags).await;
    estimator.ready(ESTIMATOR).await;
    let image = fs::read(faces::portrait()).unwrap().into();
    let request = EstimateAgeRequest { image, ..Default::default() };
    let answer = estimator.client.estimator().estimate_age(request).await.unwrap().into_inner();
    assert!(answer.calibration.starts_with("calibrations/"), "{}", estimator.log());

    // Without a certificate nobody comes in, and the line says what is missing.
    let list = ["--server", &calibrator_url, "--ca", "ca.pem", "calibration", "list"];
    let said = sandbox.alone(&list).await;
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
    assert!(said.err.contains("--client-cert"), "{}", said.err);
    let rollback =
        ["--server", &calibrator_url, "--ca", "ca.pem", "--client-cert", "estimator.pem"];
    let rest = ["--client-key", "estimator.key", "calibration", "rollback", "models/none"];
    assert_eq!(sandbox.alone(&[&rollback[..], &rest].concat()).await.code, 1);
    let line: Value = serde_json::from_str(fs::read_to_string(audit).unwrap().trim()).unwrap();
    assert_eq!(line["caller"], "certificate:estimator.agespan");
    assert_eq!(
        (&line["resource"], &line["status"]),
        (&"models/none".into(), &"FAILED_PRECONDITION".into())
    );
}

#[tokio::test]
async fn certificates_and_tokens_change_under_running_connections() {
    let callers: [(&str, &[&str]); 1] = [("shop", &["--permissions", "predict"])];
    let guarded = Guarded::start(&["agespan-conformal-calibrator"], &[], &callers).await;
    let steady = guarded.client(Some("shop"));
    calibrations(&steady).await.unwrap();
    let served = guarded.authority.served(&guarded.url).await;

    // A bad one changes nothing, and a good one is served to whoever comes next.
    fs::write(guarded.path("server.pem"), "no certificate").unwrap();
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(guarded.authority.served(&guarded.url).await, served);
    assert!(guarded.server.log().contains("what was read before stays"));
    guarded.authority.write_server(&guarded.path("server"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while guarded.authority.served(&guarded.url).await == served {
        assert!(Instant::now() < deadline, "{}", guarded.server.log());
        // Who is connected already goes on.
        calibrations(&steady).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    calibrations(&steady).await.unwrap();

    // A token that is taken away is refused on the same connection, one that replaces it goes.
    let new = ["token", "new", "shop", "--permissions", "predict", "--append", "new.toml"];
    let token = guarded.sandbox.alone(&new).await.out;
    fs::rename(guarded.path("new.toml"), guarded.path("tokens.toml")).unwrap();
    sleep(Duration::from_millis(1100)).await;
    let unknown = refused(Code::Unauthenticated, "TOKEN_UNKNOWN");
    assert_eq!(reason(&calibrations(&steady).await.unwrap_err()), unknown);
    fs::write(guarded.path("shop.token"), token).unwrap();
    sleep(Duration::from_millis(1100)).await;
    calibrations(&steady).await.unwrap();
}

#[tokio::test]
async fn a_quota_says_when_to_come_back() {
    let callers: [(&str, &[&str]); 2] = [
        ("busy", &["--permissions", "predict", "--per-second", "1", "--burst", "5"]),
        ("other", &["--permissions", "predict"]),
    ];
    let guarded = Guarded::start(&["agespan-conformal-calibrator"], &[], &callers).await;
    let (busy, other) = (guarded.client(Some("busy")), guarded.client(Some("other")));
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(calibrations(&busy).await);
        calibrations(&other).await.unwrap();
    }
    assert!(answers[..5].iter().all(Result::is_ok), "{answers:?}");
    let status = answers.into_iter().find_map(Result::err).unwrap();
    assert_eq!(reason(&status), refused(Code::ResourceExhausted, "QUOTA"));
    let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    sleep(wait).await;
    calibrations(&busy).await.unwrap();
}

#[tokio::test]
async fn nobody_listens_to_others_without_protection_by_mistake() {
    let sandbox = Sandbox::new().await;
    let up = ["up", "--listen", "0.0.0.0:0", "--data-dir", "data"];
    let authority = Authority::new("the authority");
    authority.write_server(&sandbox.path("server"));
    let tls = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
    for flags in [&[][..], &tls, &["--allow-plaintext"]] {
        let said = sandbox.alone(&[&up[..], flags].concat()).await;
        assert_eq!(said.code, 1);
        let last = said.err.lines().last().unwrap();
        assert!(last.contains("refusing to listen on 0.0.0.0:0"), "{}", said.err);
        assert!(last.contains("--tokens") && last.contains("--insecure"), "{last}");
    }
    // Half of a pair is refused as well, and a file that is not there.
    let half = sandbox.alone(&["up", "--tls-cert", "server.pem"]).await;
    assert!(half.code != 0 && half.err.contains("--tls-key"), "{}", half.err);
    let absent = ["--listen", "127.0.0.1:0", "--tokens", "none.toml"];
    let absent = sandbox.alone(&[&["up"], &absent[..]].concat()).await;
    assert!(absent.code == 1 && absent.err.contains("none.toml"), "{}", absent.err);
}

#[tokio::test]
async fn what_is_decided_is_written_down_and_photos_and_tokens_never_are() {
    let callers: [(&str, &[&str]); 2] =
        [("shop", &["--permissions", "predict"]), ("root", &["--permissions", "admin"])];
    let dir = tempfile::tempdir().unwrap();
    let audit = dir.path().join("audit.jsonl");
    let flags = ["--model-threads", "1", "--log", "trace", "--audit-log", audit.to_str().unwrap()];
    let guarded = Guarded::start(&["agespan", "up"], &flags, &callers).await;
    guarded.ready("shop").await;
    let photo = fs::read(faces::portrait()).unwrap();
    let shop = guarded.client(Some("shop"));
    let deadline = Instant::now() + Duration::from_secs(60);
    let decided = loop {
        let image = photo.clone().into();
        let request = VerifyAgeRequest { image, at_least: 18, ..Default::default() };
        match shop.estimator().verify_age(request).await {
            Ok(answer) => break answer.into_inner(),
            Err(status) => assert!(Instant::now() < deadline, "{status}"),
        }
        sleep(Duration::from_millis(100)).await;
    };
    let job = || DeleteJobRequest { name: "jobs/none".into() };
    assert!(shop.jobs().delete_job(job()).await.is_err());
    assert!(guarded.client(Some("root")).jobs().delete_job(job()).await.is_err());
    // A client of another make, which hides nothing.
    let mut plain = tonic::Request::new(job());
    let bearer = format!("Bearer {}", guarded.token("root"));
    plain.metadata_mut().insert("authorization", bearer.parse().unwrap());
    assert!(guarded.client(None).jobs().delete_job(plain).await.is_err());

    let text = fs::read_to_string(&audit).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |event: &str, caller: &str| {
        let found = |line: &&Value| line["event"] == event && line["caller"] == caller;
        lines.iter().find(found).unwrap_or_else(|| panic!("{event} of {caller} in {text}"))
    };
    let decision = find("decision", "token:shop");
    assert_eq!(decision["at_least"], 18);
    let outcome = format!("AGE_DECISION_{}", decision["outcome"].as_str().unwrap());
    assert_eq!(outcome, decided.decision().as_str_name());
    assert_eq!(decision["model"], decided.model.as_str());
    let refusal = find("refusal", "token:shop");
    assert_eq!(refusal["status"], "PERMISSION_DENIED");
    let act = find("administration", "token:root");
    assert_eq!((&act["resource"], &act["status"]), (&"jobs/none".into(), &"NOT_FOUND".into()));

    let log = fs::read(guarded.path("0-agespan.log")).unwrap();
    let shown = String::from_utf8_lossy(&log);
    assert!(shown.contains("TRACE") && shown.contains("agespan::audit"));
    for seen in [&log, text.as_bytes()] {
        never(seen, &photo, [guarded.token("shop"), guarded.token("root")]);
    }
}

/// That a text holds neither a photo, in any writing of bytes that a log may have, nor a token.
fn never(text: &[u8], photo: &[u8], tokens: [String; 2]) {
    // From the middle: a header may be anywhere.
    let part = &photo[photo.len() / 2..photo.len() / 2 + 24];
    let list: Vec<_> = part.iter().map(u8::to_string).collect();
    let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
    let escaped: String =
        part.iter().flat_map(|&byte| std::ascii::escape_default(byte)).map(char::from).collect();
    let mut written = vec![part.to_owned(), list.join(", ").into(), hex.into(), escaped.into()];
    for cut in 0..3 {
        let base64 = base64::engine::general_purpose::STANDARD.encode(&part[cut..cut + 18]);
        written.push(base64.into());
    }
    written.extend(tokens.map(String::into_bytes));
    for bytes in written {
        let found = text.windows(bytes.len()).any(|window| window == bytes);
        assert!(!found, "{}", String::from_utf8_lossy(&bytes));
    }
}
