//! The whole story on the processes of the overlay `cpu`: import, train, calibrate, draw on three workers,
//! cross-check; and workers that come and go while a job runs.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use agespan_client::proto::generator::v1::generate_faces_request::Subject;
use agespan_client::proto::generator::v1::{FaceCheck, FaceGrid, GenerateFacesRequest};
use agespan_client::{Client, Credentials, TokenSource};
use agespan_tests::{Process, faces};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cluster::Cluster;

const PATIENCE: Duration = Duration::from_secs(120);

fn name(line: &Value) -> &str {
    line["name"].as_str().unwrap()
}

/// Whether a worker has taken a part of some generation.
fn has_drawn(worker: &Process) -> bool {
    worker.log().lines().any(|line| line.contains("attempt starts") && line.contains("draw-faces"))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come to pass");
        sleep(Duration::from_millis(20)).await;
    }
}

fn images(folder: &Path) -> HashSet<Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|it| it == "png"))
        .map(|file| fs::read(file).unwrap())
        .collect()
}

/// Begins a generation of faces of two ages.
async fn draw_grid(cluster: &Cluster, generator: &Process) -> String {
    let token = Some(TokenSource::File(cluster.path("token-of-operator")));
    let client =
        Client::with(&generator.url, &Credentials { token, ..Default::default() }).unwrap();
    let request = GenerateFacesRequest {
        subject: Some(Subject::Grid(FaceGrid { ages: vec![20, 60], ..Default::default() })),
        face_check: FaceCheck::Off.into(),
        steps: 5,
        ..Default::default()
    };
    let answer = client.generator().generate_faces(request).await.unwrap();
    answer.into_inner().job.unwrap().name
}

#[tokio::test]
async fn the_processes_of_the_manifests_do_all_of_it() {
    let cluster = Cluster::new("cpu").await;
    let dataset = cluster.start("dataset").await;
    let calibrator = cluster.start("conformal-calibrator").await;
    let estimator = cluster.start("age-estimator").await;
    let trainer = cluster.start("age-estimator-worker").await;
    let generator = cluster.start("diffusion-generator").await;
    let evaluator = cluster.start("evaluator").await;

    let source = cluster.path("imports/faces");
    faces::write(&source, 400);
    let import = ["dataset", "import", source.to_str().unwrap(), "--name", "f"];
    assert_eq!(cluster.lines(&dataset, &import).await[0]["sample_count"], 400);
    let train = ["train", "--dataset", "f", "--epochs", "1", "--max-samples", "64"];
    let small = ["--backbone", "mobilenet-v2", "--input-size", "64"];
    let model = cluster.lines(&estimator, &[&train[..], &small].concat()).await.remove(0);
    assert!(
        trainer.log().contains("train-model") && !estimator.log().contains("the attempt starts")
    );
    let calibrate = ["calibrate", "--dataset", "f", "--model", name(&model)];
    let calibration = cluster.lines(&calibrator, &calibrate).await.remove(0);
    cluster.lines(&estimator, &["model", "activate", name(&model)]).await;
    let photo = faces::portrait();
    let answer = cluster.lines(&estimator, &["predict", photo.to_str().unwrap()]).await.remove(0);
    assert_eq!((&answer["model"], &answer["calibration"]), (&model["name"], &calibration["name"]));

    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(cluster.start("diffusion-generator-worker").await);
    }
    let draw = ["generate", "--age", "40", "--gender", "female", "--race", "asian"];
    let quick = ["--no-face-check", "--steps", "8", "--out"];
    let drawn =
        cluster.lines(&generator, &[&draw[..], &quick, &["drawn", "-n", "18"]].concat()).await;
    assert_eq!((drawn.len(), images(&cluster.path("drawn")).len()), (18, 18));
    assert!(workers.iter().all(has_drawn), "a worker had nothing to do");

    // The evaluator has no generator beside it: what is drawn elsewhere is named.
    let job = draw_grid(&cluster, &generator).await;
    let check = ["evaluate", "generated", "--generated", &job, "--out", "checked"];
    let report = cluster.lines(&evaluator, &check).await.remove(0);
    assert_eq!(report["model"], model["name"], "{report}");
    assert!(cluster.path("checked/report.html").exists());

    // One more, and one less, while they draw.
    let more = [&draw[..], &quick, &["more", "-n", "64"]].concat();
    let (said, newcomer) = tokio::join!(cluster.lines(&generator, &more), async {
        let newcomer = cluster.start("diffusion-generator-worker").await;
        until("the new worker's turn", || has_drawn(&newcomer)).await;
        assert!(workers.remove(0).stop().await.success());
        newcomer
    });
    assert_eq!((said.len(), images(&cluster.path("more")).len()), (64, 64));
    assert!(has_drawn(&newcomer));

    assert!(
        cluster.bucket.count("agespan", "").await > 100,
        "where is it all, if not in the bucket?"
    );
    let local = fs::read_dir(cluster.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!local.into_iter().any(|name| name == "store"));
    for process in [dataset, calibrator, estimator, trainer, generator, evaluator, newcomer] {
        assert!(process.stop().await.success());
    }
}
