//! Faces drawn over a grid by the shipped pipeline, and what the shipped estimator says of them.

use std::fs;

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::evaluator::v1 as proto;
use agespan_client::proto::generator::v1::generate_faces_request::Subject;
use agespan_client::proto::generator::v1::{FaceAttributes, FaceGrid, GenerateFacesRequest};
use agespan_client::proto::job::v1::JobState;
use agespan_tests::{Process, Sandbox, faces, look};
use serde_json::Value;
use tonic_types::StatusExt;

/// The shipped pipeline draws crude faces in so few steps; that is enough to go all the way.
const FEW_STEPS: [&str; 4] = ["--steps", "4", "--guidance", "3"];

#[tokio::test]
async fn the_shipped_pipeline_and_estimator_are_checked_without_a_server() {
    let sandbox = Sandbox::new().await;
    let command = ["--json", "evaluate", "generated", "--ages", "3,40,80", "--out", "check"];
    let said = sandbox.alone(&[&command[..], &FEW_STEPS[..]].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let found: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(found["overall"]["count"], 30, "{found}");
    let slope = &found["slope"];
    assert!(slope["lower"].as_f64() <= slope["value"].as_f64(), "{slope}");
    assert!(found["shifted"].is_null() && found["answer"].as_array().unwrap().len() >= 4);
    let rows = fs::read_to_string(sandbox.path("check/rows.csv")).unwrap();
    assert_eq!(rows.lines().count(), 31);
    assert!(rows.lines().nth(1).unwrap().starts_with("0,0,3,female,White,"), "{rows}");
    let page = fs::read_to_string(sandbox.path("check/report.html")).unwrap();
    assert_eq!(page.matches("data:image/png;base64,").count(), 30);
    assert!(found["pipeline"].as_str().unwrap().starts_with("pipelines/"), "{found}");
    let report: Value =
        serde_json::from_slice(&fs::read(sandbox.path("check/report.json")).unwrap()).unwrap();
    assert_eq!(report, found);
}

#[tokio::test]
async fn real_faces_and_a_second_predictor_are_asked_as_well() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    // Of which an eighth or so calibrates.
    faces::write(&sandbox.path("faces"), 1200);
    let said = sandbox.agespan(&server, &["dataset", "import", "faces", "--name", "f"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let models = sandbox.agespan(&server, &["--json", "model", "list"]).await;
    let model: Value = serde_json::from_str(models.out.lines().next().unwrap()).unwrap();
    let shipped = model["name"].as_str().unwrap();
    let command = ["--json", "evaluate", "generated", "--ages", "3,20,40,60,80", "--out", "check"];
    let more = ["--dataset", "f", "--second-model", shipped];
    let said = sandbox.agespan(&server, &[&command[..], &more, &FEW_STEPS].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let found: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    let shifted = &found["shifted"];
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&shifted["inside"]["lower"]) <= number(&shifted["inside"]["value"]));
    assert!(number(&shifted["mean_width"]) > 0.0, "{shifted}");
    assert!(number(&shifted["effective_sample_size"]) > 0.0, "{shifted}");
    // The same model twice is of one opinion.
    assert_eq!(found["second"]["apart"]["value"], 0.0, "{}", found["second"]);
    assert_eq!(found["second"]["overall"], found["overall"]);
    let rows = fs::read_to_string(sandbox.path("check/rows.csv")).unwrap();
    assert_eq!(rows.lines().count(), 51);
    assert!(!rows.contains(",,"), "{rows}");
    let page = fs::read_to_string(sandbox.path("check/report.html")).unwrap();
    look(&sandbox.path("check/report.html")).await;
    assert!(page.contains("Both predictors") && page.contains("weighted for the shift"));
}

async fn check(server: &Process, subject: Subject) -> (JobState, String) {
    let request =
        GenerateFacesRequest { subject: Some(subject), count: 2, steps: 2, ..Default::default() };
    let drawn = server.client.generator().generate_faces(request).await.unwrap().into_inner();
    let request = proto::CrossCheckGeneratedRequest {
        // Under way: it is followed to its end.
        generated: drawn.job.unwrap().name,
        ..Default::default()
    };
    let answer = server.client.evaluator().cross_check_generated(request).await.unwrap();
    let name = answer.into_inner().job.unwrap().name;
    let ended = server.until(&name, |job| job.state() > JobState::Running).await;
    (ended.state(), ended.error.map(|error| error.reason).unwrap_or(ended.result))
}

#[tokio::test]
async fn what_cannot_be_cross_checked_says_why() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let attributes =
        FaceAttributes { age: 30, gender: Gender::Female.into(), race: "asian".into() };
    for subject in [Subject::Attributes(attributes), Subject::Prompt("a face".into())] {
        let (state, reason) = check(&server, subject).await;
        assert_eq!((state, reason.as_str()), (JobState::Failed, "ONE_PROMPT"));
    }
    let grid = FaceGrid {
        ages: vec![5, 70],
        genders: vec![Gender::Male.into()],
        races: vec!["White".into()],
    };
    let (state, report) = check(&server, Subject::Grid(grid)).await;
    assert_eq!(state, JobState::Succeeded, "{report}");
    let request = proto::GetReportRequest { name: report, include_html: false };
    let report = server.client.evaluator().get_report(request).await.unwrap().into_inner();
    let found = report.report.unwrap().cross_check.unwrap();
    let prompted: Vec<u32> =
        found.rows.iter().map(|row| row.prompted.as_ref().unwrap().age).collect();
    assert_eq!(prompted, [5, 70]);

    for (field, request) in [
        ("generated", proto::CrossCheckGeneratedRequest::default()),
        (
            "coverage",
            proto::CrossCheckGeneratedRequest {
                generated: "jobs/a".into(),
                coverage: Some(1.0),
                ..Default::default()
            },
        ),
    ] {
        let refused = server.client.evaluator().cross_check_generated(request).await.unwrap_err();
        let found = refused.get_details_bad_request().unwrap().field_violations[0].field.clone();
        assert_eq!(found, field);
    }
    let request =
        proto::CrossCheckGeneratedRequest { generated: "jobs/nobody".into(), ..Default::default() };
    let answer = server.client.evaluator().cross_check_generated(request).await.unwrap();
    let name = answer.into_inner().job.unwrap().name;
    let ended = server.until(&name, |job| job.state() == JobState::Failed).await;
    assert!(ended.error.unwrap().reason.contains("NOT_FOUND"));
}
