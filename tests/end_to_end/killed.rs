//! A worker killed in the middle of a training or an evaluation costs time and nothing else.

use std::fs;

use agespan_client::proto::dataset::v1::Split;
use agespan_client::proto::estimator::v1::{Backbone, TrainModelRequest};
use agespan_client::proto::evaluator::v1::EvaluateEstimatorRequest;
use agespan_client::proto::job::v1::{Job, JobState};
use agespan_tests::{Process, Sandbox, faces};

const ALL: &str = "dataset,age-estimator,conformal-calibrator,diffusion-generator,evaluator";

async fn train(server: &Process) -> Job {
    let request = TrainModelRequest {
        dataset: "datasets/faces".into(),
        epochs: 3,
        seed: 5,
        backbone: Backbone::MobilenetV2.into(),
        ..Default::default()
    };
    server.client.estimator().train_model(request).await.unwrap().into_inner().job.unwrap()
}

/// How many records a TensorBoard file has: each has its length in front and two checksums.
fn records(mut file: &[u8]) -> u64 {
    let mut count = 0;
    while let Some((length, rest)) = file.split_first_chunk::<8>() {
        file = &rest[u64::from_le_bytes(*length) as usize + 8..];
        count += 1;
    }
    count
}

#[tokio::test]
async fn a_training_whose_worker_is_killed_ends_as_if_nothing_had_been() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan", &["up", "--services", ALL, "--role", "server"]).await;
    let flags = ["--role", "worker", "--dataset-url", &server.url, "--model-threads", "1"];
    let importer = sandbox.start("agespan-dataset", &["--role", "worker"]).await;
    faces::write(&sandbox.path("faces"), 150);
    let said = sandbox.agespan(&server, &["dataset", "import", "faces", "--name", "faces"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(importer.stop().await.success());

    let worker = sandbox.start("agespan-age-estimator", &flags).await;
    let job = train(&server).await;
    let undisturbed = server.client.follow(&job.name, |_| {}).await.unwrap();

    let job = train(&server).await;
    // The first epoch's end is in a checkpoint once the second has begun.
    let second = |job: &Job| job.progress.as_ref().unwrap().message.starts_with("epoch 2 of 3");
    let killed_at = server.until(&job.name, second).await;
    worker.kill().await;
    assert_eq!(killed_at.attempt, 1);

    let _worker = sandbox.start("agespan-age-estimator", &flags).await;
    let steps = |job: &Job| job.progress.as_ref().map_or(0, |progress| progress.total);
    let resumed = server.until(&job.name, |job| job.attempt == 2 && steps(job) > 0).await;
    let message = &resumed.progress.as_ref().unwrap().message;
    assert!(!message.starts_with("epoch 1 of 3"), "it began anew: {message}");
    let ended = server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    assert_eq!(ended.attempt, 2);
    assert_eq!(ended.result, undisturbed, "the weights differ");

    // TensorBoard is shown each step once: the version, the steps, and three epochs.
    let folder = sandbox.path("agespan-age-estimator/training").join(job.name.replace("jobs/", ""));
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(records(&fs::read(&files[0]).unwrap()), 1 + steps(&ended) + 3);
}

/// Faces whose answers are kept together.
const PART: u64 = 1024;

#[tokio::test]
async fn an_evaluation_whose_worker_is_killed_asks_about_no_part_twice() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan", &["up", "--services", ALL, "--role", "server"]).await;
    let importer = sandbox.start("agespan-dataset", &["--role", "worker"]).await;
    faces::write(&sandbox.path("faces"), 4 * PART as u32);
    let import = ["dataset", "import", "faces", "--name", "faces"];
    let all = ["--fractions", "0.97,0.01,0.01,0.01"];
    let said = sandbox.agespan(&server, &[&import[..], &all].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(importer.stop().await.success());

    let peers = ["--dataset-url", "--estimator-url", "--calibrator-url"];
    let peers = peers.into_iter().flat_map(|flag| [flag, server.url.as_str()]);
    let flags: Vec<_> = ["--role", "worker"].into_iter().chain(peers).collect();
    let worker = sandbox.start("agespan-evaluator", &flags).await;
    let job = evaluate(&server).await;
    let undisturbed = server.client.follow(&job.name, |_| {}).await.unwrap();

    let job = evaluate(&server).await;
    let done = |job: &Job| job.progress.as_ref().map_or(0, |progress| progress.done);
    server.until(&job.name, |job| done(job) > PART).await;
    worker.kill().await;
    let kept = sandbox.path("store/evaluations/answers").join(job.name.replace("jobs/", ""));
    assert!(fs::read_dir(&kept).unwrap().count() > 0);

    let _worker = sandbox.start("agespan-evaluator", &flags).await;
    let resumed = server.until(&job.name, |job| job.attempt == 2 && done(job) > 0).await;
    assert!(done(&resumed) > PART, "it began anew: {resumed:?}");
    let ended = server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    // A report is named by its content.
    assert_eq!(ended.result, undisturbed);
    assert_eq!(fs::read_dir(&kept).map_or(0, Iterator::count), 0);
}

async fn evaluate(server: &Process) -> Job {
    let request = EvaluateEstimatorRequest {
        dataset: "datasets/faces".into(),
        split: Split::Train.into(),
        ..Default::default()
    };
    let answer = server.client.evaluator().evaluate_estimator(request).await;
    answer.unwrap().into_inner().job.unwrap()
}
