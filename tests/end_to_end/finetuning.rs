//! Pipelines that learn a data set's faces, through the whole system.

use std::fs;

use agespan_client::proto::generator::v1 as proto;
use agespan_client::proto::job::v1::{Job, JobState};
use agespan_tests::{Process, Sandbox, faces};
use serde_json::Value;
use tonic_types::StatusExt;

use crate::tiny_pipeline;

type Change = fn(&mut proto::FineTunePipelineRequest);

const ALL: &str = "dataset,age-estimator,conformal-calibrator,diffusion-generator,evaluator";

async fn server(sandbox: &Sandbox) -> Process {
    let server = sandbox.start("agespan", &["up", "--services", ALL, "--role", "server"]).await;
    let importer = sandbox.start("agespan-dataset", &["--role", "worker"]).await;
    faces::write(&sandbox.path("faces"), 120);
    let said = sandbox.agespan(&server, &["dataset", "import", "faces", "--name", "faces"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(importer.stop().await.success());
    server
}

async fn worker(sandbox: &Sandbox, server: &Process) -> Process {
    let flags = ["--role", "worker", "--dataset-url", &server.url, "--model-threads", "1"];
    sandbox.start("agespan-diffusion-generator", &flags).await
}

async fn add(sandbox: &Sandbox, server: &Process) -> String {
    let source = tiny_pipeline::save(&sandbox.path(""), "tiny", 1);
    let request = proto::AddPipelineRequest { source: source.to_str().unwrap().into() };
    let answer = server.client.generator().add_pipeline(request).await.unwrap();
    answer.into_inner().pipeline.unwrap().name
}

fn asked(pipeline: &str) -> proto::FineTunePipelineRequest {
    proto::FineTunePipelineRequest {
        pipeline: pipeline.to_owned(),
        dataset: "datasets/faces".into(),
        epochs: 4,
        batch_size: 4,
        accumulation: 2,
        learning_rate: Some(1e-3),
        average: 0.9,
        ..Default::default()
    }
}

async fn tune(server: &Process, request: proto::FineTunePipelineRequest) -> Job {
    let answer = server.client.generator().fine_tune_pipeline(request).await.unwrap();
    answer.into_inner().job.unwrap()
}

#[tokio::test]
async fn a_fine_tuning_whose_worker_is_killed_makes_the_same_pipeline() {
    let sandbox = Sandbox::new().await;
    let server = server(&sandbox).await;
    let base = add(&sandbox, &server).await;
    let first = worker(&sandbox, &server).await;
    let job = tune(&server, asked(&base)).await;
    let undisturbed = server.client.follow(&job.name, |_| {}).await.unwrap();
    assert_ne!(undisturbed, base);
    let request = proto::GetPipelineRequest { name: undisturbed.clone() };
    let tuned = server.client.generator().get_pipeline(request).await.unwrap().into_inner();
    assert_eq!(tuned.pipeline.unwrap().base, base);
    // What can be looked at meanwhile and afterwards.
    let id = job.name.replace("jobs/", "");
    let folder = sandbox.path("agespan-diffusion-generator/finetuning").join(id);
    for epoch in 1..=4 {
        let sheet = fs::read(folder.join(format!("epoch-00{epoch}.png"))).unwrap();
        assert!(sheet.starts_with(b"\x89PNG"));
    }
    let lines = fs::read_to_string(folder.join("steps.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| line["validation_loss"].is_f64()).count(), 4);
    assert!(lines.iter().any(|line| line["gradient_norm"].is_f64()));

    let job = tune(&server, asked(&base)).await;
    let message = |job: &Job| job.progress.as_ref().unwrap().message.clone();
    server.until(&job.name, |job| message(job).starts_with("epoch 2")).await;
    first.kill().await;
    let _second = worker(&sandbox, &server).await;
    let ended = server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    assert_eq!((ended.attempt, ended.result), (2, undisturbed), "another pipeline was made");
}

#[tokio::test]
async fn low_rank_additions_are_learned_from_the_command_line() {
    let sandbox = Sandbox::new().await;
    let server = server(&sandbox).await;
    let _worker = worker(&sandbox, &server).await;
    tiny_pipeline::save(&sandbox.path(""), "tiny", 1);
    let flags = ["--epochs", "1", "--batch-size", "8", "--lora-rank", "2", "--lora-alpha", "4"];
    let command = ["--json", "finetune", "--dataset", "faces", "--pipeline", "tiny"];
    let said = sandbox.agespan(&server, &[&command[..], &flags[..]].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let tuned: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert!(tuned["base"].as_str().unwrap().starts_with("pipelines/"), "{tuned}");
    let name = tuned["name"].as_str().unwrap();
    assert_ne!(tuned["base"], tuned["name"]);
    let flags = ["--prompt", "a face", "--steps", "2", "--out", "drawn"];
    let said =
        sandbox.agespan(&server, &[&["generate", "--pipeline", name], &flags[..]].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
}

#[tokio::test]
async fn what_cannot_be_fine_tuned_is_refused_and_says_why() {
    let sandbox = Sandbox::new().await;
    let server = server(&sandbox).await;
    let base = add(&sandbox, &server).await;
    let refused = async |request: proto::FineTunePipelineRequest| {
        let answer = server.client.generator().fine_tune_pipeline(request).await;
        let status = answer.unwrap_err();
        let bad = status.get_details_bad_request();
        bad.map(|bad| bad.field_violations[0].field.clone()).unwrap_or_default()
    };
    let with = |change: Change| {
        let mut request = asked(&base);
        change(&mut request);
        request
    };
    for (field, change) in [
        ("learning_rate", (|r| r.learning_rate = Some(2.0)) as Change),
        ("learning_rate", |r| r.learning_rate = Some(f64::NAN)),
        ("average", |r| r.average = 1.0),
        ("prompt_dropout", |r| r.prompt_dropout = Some(1.5)),
        ("evenness", |r| r.evenness = 1.5),
        ("snr_gamma", |r| r.snr_gamma = -1.0),
        ("clip_norm", |r| r.clip_norm = Some(f64::INFINITY)),
        ("epochs", |r| r.epochs = 10_001),
        ("lora_rank", |r| r.lora_rank = 2000),
        ("decay", |r| r.decay = 9),
        ("precision", |r| r.precision = 9),
        ("dataset", |r| r.dataset = "faces".into()),
        ("pipeline", |r| r.pipeline = "tiny".into()),
        ("text_encoder", |r| (r.text_encoder, r.lora_rank) = (true, 4)),
    ] {
        assert_eq!(refused(with(change)).await, field);
    }
    // Only the worker can know of these.
    let _worker = worker(&sandbox, &server).await;
    for (reason, change) in [
        ("TOO_FEW_FACES", (|r| r.batch_size = 4000) as Change),
        ("NOT_FOUND", |r| r.dataset = "datasets/nobody".into()),
    ] {
        let job = tune(&server, with(change)).await;
        let ended = server.until(&job.name, |job| job.state() == JobState::Failed).await;
        let error = ended.error.unwrap();
        assert!(error.reason.contains(reason), "{error:?}");
    }
}
