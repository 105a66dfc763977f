//! Each service is a program of its own that says how it is, and leaves in good order.

use std::fs;

use agespan_client::proto::estimator::v1::stream_estimate_age_response::Outcome;
use agespan_client::proto::estimator::v1::{EstimateAgeRequest, StreamEstimateAgeRequest};
use agespan_tests::{Sandbox, faces};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

#[tokio::test]
async fn every_service_starts_alone_and_drains() {
    let sandbox = Sandbox::new().await;
    for (program, service) in [
        ("agespan-dataset", "agespan.dataset.v1.DatasetService"),
        ("agespan-age-estimator", "agespan.estimator.v1.EstimatorService"),
        ("agespan-conformal-calibrator", "agespan.calibrator.v1.CalibratorService"),
        ("agespan-diffusion-generator", "agespan.generator.v1.GeneratorService"),
        ("agespan-evaluator", "agespan.evaluator.v1.EvaluatorService"),
    ] {
        let process = sandbox.start(program, &[]).await;
        process.ready(service).await;
        assert_eq!(process.health("").await.unwrap(), "SERVING");
        let unknown = process.health("agespan.none.v1.None").await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound, "{program}");
        assert!(process.stop().await.success(), "{program}");
    }
}

#[tokio::test]
async fn a_stream_under_way_ends_before_the_process_does() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let image: bytes::Bytes = fs::read(faces::portrait()).unwrap().into();
    let ask = |id: u32| StreamEstimateAgeRequest {
        id: id.to_string(),
        request: Some(EstimateAgeRequest { image: image.clone(), ..Default::default() }),
    };
    let (questions, asked) = mpsc::channel(32);
    questions.send(ask(0)).await.unwrap();
    let mut estimator = server.client.estimator();
    let answers = estimator.stream_estimate_age(ReceiverStream::new(asked)).await.unwrap();
    let mut answers = answers.into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().id, "0");

    let stopped = tokio::spawn(server.stop());
    for id in 1..20 {
        questions.send(ask(id)).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.id, id.to_string());
        assert!(matches!(answer.outcome, Some(Outcome::Response(_))), "{answer:?}");
    }
    drop(questions);
    assert!(answers.message().await.unwrap().is_none());
    assert!(stopped.await.unwrap().success());
}

#[tokio::test]
async fn a_port_that_is_taken_is_one_clear_line() {
    let sandbox = Sandbox::new().await;
    let taken = sandbox.start("agespan-diffusion-generator", &[]).await;
    let address = taken.url.strip_prefix("http://").unwrap();
    let up = ["up", "--listen", address, "--data-dir", "other"];
    let said = sandbox.agespan(&taken, &up).await;
    assert_eq!(said.code, 1);
    let last = said.err.lines().last().unwrap();
    assert!(last.contains("cannot listen on") && last.contains("--listen"), "{}", said.err);
}
