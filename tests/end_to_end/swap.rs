//! Another model is activated while callers ask: none of them notices more than another name.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agespan_client::Client;
use agespan_client::proto::estimator::v1::{
    ActivateModelRequest, EstimateAgeRequest, EstimateAgeResponse,
};
use agespan_tests::{Process, Sandbox, faces};
use bytes::Bytes;
use serde_json::Value;

const SWAPS: usize = 12;
const CALLERS: usize = 4;

async fn ask(client: &Client, image: Bytes) -> EstimateAgeResponse {
    let request = EstimateAgeRequest { image, ..Default::default() };
    client
        .estimator()
        .estimate_age(request)
        .await
        .expect("an answer, whatever is active")
        .into_inner()
}

async fn activate(server: &Process, model: &str) {
    let request = ActivateModelRequest { name: model.to_owned() };
    server.client.estimator().activate_model(request).await.unwrap();
}

/// A model that answers otherwise than the shipped one.
async fn another_model(sandbox: &Sandbox, server: &Process) -> String {
    faces::write(&sandbox.path("faces"), 200);
    let said = sandbox.agespan(server, &["dataset", "import", "faces", "--name", "f"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let train = ["--json", "train", "--dataset", "f", "--epochs", "1", "--input-size", "64"];
    let said = sandbox.agespan(server, &[&train[..], &["--max-samples", "64"]].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let model: Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    model["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_answer_is_dropped_or_mixed_while_models_change() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let photo = Bytes::from(fs::read(faces::portrait()).unwrap());
    let shipped = ask(&server.client, photo.clone()).await;
    let name = another_model(&sandbox, &server).await;
    activate(&server, &name).await;
    let other = ask(&server.client, photo.clone()).await;
    assert_eq!(other.model, name);

    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (over, client, photo) = (over.clone(), server.client.clone(), photo.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    answers.push(ask(&client, photo.clone()).await);
                }
                answers
            })
        })
        .collect();
    for swap in 0..SWAPS {
        activate(&server, [&shipped.model, &name][swap % 2]).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut answers = Vec::new();
    for caller in callers {
        answers.extend(caller.await.unwrap());
    }

    for model in [&shipped, &other] {
        assert!(answers.iter().any(|answer| answer.model == model.model), "{} never", model.model);
    }
    for answer in answers {
        let expected = if answer.model == shipped.model { &shipped } else { &other };
        assert_eq!((&answer.model, &answer.calibration), (&expected.model, &expected.calibration));
        let (face, same) = (&answer.faces[0], &expected.faces[0]);
        // Another company in the batch may change the last digits.
        assert!((face.age - same.age).abs() < 0.05, "{} is not {}", face.age, same.age);
        assert_eq!(face.interval_status, same.interval_status);
    }
}
