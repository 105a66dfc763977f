//! A client of the last release: one that knows the protos of `tests/golden` and nothing newer.

use agespan_tests::{Process, Sandbox, faces, repository};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::generator;
use crate::probes::{host, output, tool};

/// The protos of the last release.
const RELEASED: &str = "tests/golden/proto-0.1.0.binpb";

/// What an old client gets. What it does not know of the answer it passes over.
async fn call(server: &Process, method: &str, request: &Value) -> Result<Value, String> {
    let protos = repository().join(RELEASED);
    let told = ["-plaintext", "-protoset", protos.to_str().unwrap(), "-emit-defaults", "-d", "@"];
    let asked = [host(server), &format!("agespan.{method}")];
    let output = output(tool("grpcurl"), &[&told[..], &asked].concat(), &request.to_string()).await;
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn a_client_of_the_last_release_is_answered() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let photo = std::fs::read(faces::portrait()).unwrap();
    let image = base64::engine::general_purpose::STANDARD.encode(photo);
    let ask = async |method: &str, request: Value| call(&server, method, &request).await.unwrap();

    let estimator = "estimator.v1.EstimatorService";
    let request = json!({"image": image, "faces": "FACE_SELECTION_ALL", "coverage": 0.8});
    let answer = ask(&format!("{estimator}/EstimateAge"), request).await;
    let interval = &answer["faces"][0]["interval"];
    assert!(interval["lower"].as_f64() < interval["upper"].as_f64(), "{answer}");
    let request = json!({"image": image, "at_least": 18, "false_pass_rate": 0.05});
    let answer = ask(&format!("{estimator}/VerifyAge"), request).await;
    assert!(answer.to_string().contains("AGE_DECISION_PASS"), "{answer}");
    let models = ask(&format!("{estimator}/ListModels"), json!({})).await;
    assert_eq!(models["models"][0]["shipped"], true);
    let calibrations = ask("calibrator.v1.CalibratorService/ListCalibrations", json!({})).await;
    assert_eq!(calibrations["calibrations"].as_array().unwrap().len(), 1);

    let source = generator::save(&sandbox, "tiny", 1);
    let add = json!({"source": source});
    let pipeline = ask("generator.v1.GeneratorService/AddPipeline", add).await;
    let request = json!({
        "pipeline": pipeline["pipeline"]["name"], "prompt": "a face", "count": 2, "steps": 2,
        "face_check": "FACE_CHECK_OFF", "request_id": "old",
    });
    let job = ask("generator.v1.GeneratorService/GenerateFaces", request.clone()).await;
    let again = ask("generator.v1.GeneratorService/GenerateFaces", request).await;
    assert_eq!(job["job"]["name"], again["job"]["name"]);
    server.until(job["job"]["name"].as_str().unwrap(), |job| job.result == job.name).await;
    let state = ask("job.v1.JobService/GetJob", json!({"name": job["job"]["name"]})).await;
    assert_eq!(state["job"]["state"], "JOB_STATE_SUCCEEDED");

    let refused = call(&server, &format!("{estimator}/EstimateAge"), &json!({"image": ""})).await;
    assert!(refused.unwrap_err().contains("InvalidArgument"));
}
