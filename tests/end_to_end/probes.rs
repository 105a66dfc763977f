//! What somebody does who has only the address, the protos, or grpcurl.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use agespan_client::proto::estimator::v1::EstimateAgeRequest;
use agespan_tests::{Process, Sandbox, faces, repository, setting};
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(crate) fn tool(name: &str) -> PathBuf {
    let folder = setting("AGESPAN_TEST_TOOLS").expect("no AGESPAN_TEST_TOOLS: run `make setup`");
    PathBuf::from(folder).join(name)
}

/// Runs a tool to its end.
pub(crate) async fn output(program: PathBuf, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

/// Runs a tool that succeeds and gives what it printed.
async fn run(program: PathBuf, arguments: &[&str], input: &str) -> String {
    let output = output(program.clone(), arguments, input).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {error}", program.display());
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn host(server: &Process) -> &str {
    server.url.strip_prefix("http://").unwrap()
}

const SERVICES: [&str; 6] = [
    "agespan.calibrator.v1.CalibratorService",
    "agespan.dataset.v1.DatasetService",
    "agespan.estimator.v1.EstimatorService",
    "agespan.evaluator.v1.EvaluatorService",
    "agespan.generator.v1.GeneratorService",
    "agespan.job.v1.JobService",
];

/// The interval of a 90 % answer for the portrait, in the JSON of the protocol.
fn check(answer: &Value) {
    let face = &answer["faces"][0];
    let interval = &face["interval"];
    let (lower, upper) = (interval["lower"].as_f64().unwrap(), interval["upper"].as_f64().unwrap());
    let age = face["age"].as_f64().unwrap();
    assert!(lower <= age && age <= upper && upper - lower < 60.0, "{answer}");
    assert_eq!(interval["coverage"], 0.9);
    assert!(interval["groupSize"].as_u64().unwrap() >= 9, "{answer}");
    assert!(answer["model"].as_str().unwrap().starts_with("models/"));
    assert!(answer["calibration"].as_str().unwrap().starts_with("calibrations/"));
}

#[tokio::test]
async fn grpcurl_finds_the_services_and_gets_an_interval() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    // This grpcurl speaks reflection v1alpha only.
    let listed = run(tool("grpcurl"), &["-plaintext", host(&server), "list"], "").await;
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(listed.lines().any(|line| line == service), "{listed}");
    }
    let describe = ["-plaintext", host(&server), "describe", SERVICES[2]];
    assert!(run(tool("grpcurl"), &describe, "").await.contains("rpc EstimateAge"));

    let image =
        base64::engine::general_purpose::STANDARD.encode(fs::read(faces::portrait()).unwrap());
    let request = json!({"image": image}).to_string();
    let method = format!("{}/EstimateAge", SERVICES[2]);
    let call = ["-plaintext", "-d", "@", host(&server), &method];
    check(&serde_json::from_str(&run(tool("grpcurl"), &call, &request).await).unwrap());

    let health = ["-plaintext", host(&server), "grpc.health.v1.Health/Check"];
    assert!(run(tool("grpcurl"), &health, "").await.contains("SERVING"));
}

#[tokio::test]
async fn reflection_speaks_both_versions() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan-diffusion-generator", &[]).await;
    for version in ["grpc-v1", "grpc-v1alpha"] {
        let flags = ["--http2-prior-knowledge", "--protocol", "grpc"];
        let reflect = ["--reflect-protocol", version, "--list-services", server.url.as_str()];
        let listed = run(tool("buf"), &[&["curl"], &flags[..], &reflect[..]].concat(), "").await;
        for service in SERVICES {
            assert!(listed.lines().any(|line| line == service), "{version}: {listed}");
        }
    }
}

#[tokio::test]
async fn a_client_of_triton_gets_the_same_ages() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let photo = faces::portrait();
    let client = repository().join("tests/end_to_end/triton.py");
    let arguments = [&client, &PathBuf::from(host(&server)), &photo];
    let arguments = arguments.map(|argument| argument.to_str().unwrap());
    let found = run(tool("python"), &arguments, "").await;
    let found: Value = serde_json::from_str(&found).unwrap();

    let image = fs::read(&photo).unwrap().into();
    let request = EstimateAgeRequest { image, coverage: Some(0.8), ..Default::default() };
    let answer = server.client.estimator().estimate_age(request).await.unwrap().into_inner();
    let (face, interval) = (&answer.faces[0], answer.faces[0].interval.as_ref().unwrap());
    for (name, expected, off) in [
        // Three at once are summed in another order than one.
        ("age", face.age, 0.3),
        ("lower", interval.lower, 1.0),
        ("upper", interval.upper, 1.0),
        ("probability_female", face.probability_female, 0.02),
    ] {
        let numbers: Vec<f64> = serde_json::from_value(found[name].clone()).unwrap();
        assert_eq!(numbers.len(), 3, "{found}");
        assert!(numbers.iter().all(|number| (number - expected).abs() <= off), "{name} in {found}");
    }
    assert_eq!(format!("models/{}", found["model"].as_str().unwrap()), answer.model);
    assert_eq!(found["photo"], "StatusCode.INVALID_ARGUMENT");
    assert_eq!(found["image"], "StatusCode.NOT_FOUND");
}
