use std::path::PathBuf;
use std::sync::Arc;

use agespan_jobs::{Job, JobState, Jobs, JobsConfig, ListFilter, PrivateRedis, Worker};
use agespan_models::diffusion::SchedulerKind;
use agespan_service::CancellationToken;
use agespan_storage::Storage;
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::draws::FaceCheck;
use crate::faces::Detector;
use crate::images::{Facts, Images};
use crate::instruments::Instruments;
use crate::job::{DRAW_KIND, GENERATE_KIND, GenerateJob, Plan};
use crate::pipelines::{Pipelines, Registry};
use crate::tiny_pipeline;

/// A store with a pipeline, and a Redis without workers.
struct Studio {
    jobs: Jobs,
    images: Images,
    pipelines: Pipelines,
    pipeline: String,
    face_check: FaceCheck,
    // Ends before its folder is removed.
    _redis: PrivateRedis,
    _folder: TempDir,
}

impl Studio {
    async fn new() -> Self {
        Self::with(FaceCheck::Off, None).await
    }

    async fn with(face_check: FaceCheck, weights: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = PrivateRedis::start(&folder.path().join("redis")).await.unwrap();
        let storage = Storage::open(folder.path().join("store").to_str().unwrap()).unwrap();
        let registry = Registry::new(storage.clone());
        let path = tiny_pipeline::save(folder.path(), "tiny", 1);
        let pipeline = registry.add(path).await.unwrap().id;
        Self {
            jobs: Jobs::new(JobsConfig::new(redis.url())).unwrap(),
            images: Images::new(storage),
            pipelines: Pipelines::new(
                registry,
                folder.path().join("placed"),
                Detector::in_folder(&weights.unwrap_or_else(|| folder.path().join("nowhere"))),
            ),
            pipeline,
            face_check,
            _redis: redis,
            _folder: folder,
        }
    }

    async fn submit(&self, count: u32, steps: u32, side: u32) -> Job {
        let job = GenerateJob {
            pipeline: self.pipeline.clone(),
            prompt: "a".into(),
            attributes: None,
            grid: Vec::new(),
            negative_prompt: String::new(),
            guidance_scale: 2.0,
            steps,
            scheduler: SchedulerKind::Ddim.class_name().into(),
            eta: 0.0,
            width: side,
            height: side,
            seed: 9,
            count,
            noise: None,
            trace: false,
            steps_made: steps.into(),
            face_check: self.face_check,
        };
        let payload = serde_json::to_vec(&job).unwrap();
        self.jobs.submit(GENERATE_KIND, &payload, None).await.unwrap()
    }

    fn paint(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let painter = Painter {
            jobs: self.jobs.clone(),
            pipelines: self.pipelines.clone(),
            images: self.images.clone(),
            instruments: Instruments::new(),
        };
        let worker = Worker::new(self.jobs.clone(), DRAW_KIND, Arc::new(painter), 1);
        let stop = stop.clone();
        tokio::spawn(async move { worker.run(stop).await.unwrap() })
    }

    fn deal(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let dealer = Dealer { jobs: self.jobs.clone() };
        let worker = Worker::new(self.jobs.clone(), GENERATE_KIND, Arc::new(dealer), 4);
        let stop = stop.clone();
        tokio::spawn(async move { worker.run(stop).await.unwrap() })
    }

    async fn until(&self, id: &str, awaited: impl Fn(&Job) -> bool) -> Job {
        let mut states = self.jobs.watch(id);
        let mut last = None;
        while let Some(state) = states.next().await {
            let state = state.unwrap();
            if awaited(&state) {
                return state;
            }
            last = Some(state);
        }
        panic!("the job ended before that: {last:?}");
    }
}

#[tokio::test]
async fn what_an_attempt_before_has_drawn_is_not_drawn_again() {
    let studio = Studio::new().await;
    let job = studio.submit(2, 2, 16).await;
    let earlier = (b"drawn by another".to_vec(), None);
    studio.images.insert(&job.id, 0, earlier, Facts::default()).await.unwrap();
    let before = studio.images.find(&job.id, 0).await.unwrap().unwrap();
    let mut shard = Plan::new(2).shard(&job.id, 0);
    shard.count = 2;
    let payload = serde_json::to_vec(&shard).unwrap();
    let shard = studio.jobs.submit(DRAW_KIND, &payload, None).await.unwrap();
    let stop = CancellationToken::new();
    let painter = studio.paint(&stop);
    let ended = studio.until(&shard.id, |job| job.state.is_terminal()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_eq!((ended.progress.done, ended.progress.total), (4, 4));
    assert_eq!(studio.images.find(&job.id, 0).await.unwrap().unwrap(), before);
    let drawn = studio.images.find(&job.id, 1).await.unwrap().unwrap();
    assert_eq!((drawn.facts.seed, drawn.facts.faces), (10, None));
    let png = studio.images.bytes(&drawn.artifact).await.unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    stop.cancel();
    painter.await.unwrap();
}

#[tokio::test]
async fn a_generation_leaves_its_images_and_no_shards() {
    let studio = Studio::new().await;
    let stop = CancellationToken::new();
    let workers = [studio.deal(&stop), studio.paint(&stop)];
    let job = studio.submit(70, 1, 16).await;
    let ended = studio.until(&job.id, |job| job.state.is_terminal()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_eq!(ended.result.unwrap(), format!("jobs/{}", job.id));
    assert_eq!((ended.progress.done, ended.progress.total), (70, 70));
    assert_eq!(ended.progress.message, "70 of 70 images");
    for index in 0..70 {
        assert!(studio.images.find(&job.id, index).await.unwrap().is_some(), "{index}");
    }
    let (listed, _) = studio.jobs.list(&Default::default(), 500, None).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    stop.cancel();
    for worker in workers {
        worker.await.unwrap();
    }
}

#[tokio::test]
async fn a_shard_of_a_generation_that_nobody_wants_any_more_stops() {
    let studio = Studio::new().await;
    // Without a dealer that could say so: its process was killed.
    let job = studio.submit(1, 999, 96).await;
    let payload = serde_json::to_vec(&Plan::new(1).shard(&job.id, 0)).unwrap();
    let shard = studio.jobs.submit(DRAW_KIND, &payload, None).await.unwrap();
    let stop = CancellationToken::new();
    let painter = studio.paint(&stop);
    studio.until(&shard.id, |job| job.progress.done > 0).await;
    studio.jobs.cancel(&job.id).await.unwrap();
    let stopped = studio.until(&shard.id, |job| job.state != JobState::Running).await;
    assert_eq!(stopped.last_error.unwrap().reason, "STOPPED");
    assert!(studio.images.find(&job.id, 0).await.unwrap().is_none());
    stop.cancel();
    painter.await.unwrap();
}

#[tokio::test]
async fn a_generation_that_failed_can_be_tried_again() {
    let studio = Studio::new().await;
    let stop = CancellationToken::new();
    let dealer = studio.deal(&stop);
    let job = studio.submit(2, 1, 16).await;
    studio.until(&job.id, |job| job.progress.total > 0).await;
    let filter = ListFilter { kind: Some(DRAW_KIND.to_owned()), state: None };
    let (shards, _) = studio.jobs.list(&filter, 10, None).await.unwrap();
    studio.jobs.cancel(&shards[0].id).await.unwrap();
    let failed = studio.until(&job.id, |job| job.state.is_terminal()).await;
    assert_eq!(failed.error.unwrap().reason, "PART_CANCELLED");

    studio.jobs.retry(&job.id).await.unwrap();
    let painter = studio.paint(&stop);
    let ended = studio.until(&job.id, |job| job.state.is_terminal()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    for index in 0..2 {
        assert!(studio.images.find(&job.id, index).await.unwrap().is_some(), "{index}");
    }
    stop.cancel();
    for worker in [dealer, painter] {
        worker.await.unwrap();
    }
}

/// The folder of the face detector's weights.
#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
fn weights() -> PathBuf {
    std::env::var_os("AGESPAN_FIRST_WEIGHTS").expect("run `make setup`").into()
}

#[tokio::test]
async fn an_image_without_one_face_is_drawn_again_and_every_worker_keeps_the_same() {
    let mut kept = Vec::new();
    for _ in 0..2 {
        let studio = Studio::with(FaceCheck::On { max_draws: 2 }, Some(weights())).await;
        let stop = CancellationToken::new();
        let workers = [studio.deal(&stop), studio.paint(&stop)];
        let job = studio.submit(3, 1, 16).await;
        let ended = studio.until(&job.id, |job| job.state.is_terminal()).await;
        assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
        // The pipeline draws noise, in which there is no face.
        let message = "3 of 3 images: 0 with exactly one face, 3 without; 3 draws were made again";
        assert_eq!(ended.progress.message, message);
        assert_eq!((ended.progress.done, ended.progress.total), (3, 3));
        for index in 0..3 {
            let image = studio.images.find(&job.id, index).await.unwrap().unwrap();
            let Facts { seed, warnings, draws, draw, faces, .. } = image.facts;
            assert_eq!((seed, draws, draw, faces), (9 + u64::from(index), 2, 1, Some(0)));
            let warning =
                "none of 2 draws shows exactly one face; draw 1 is kept, which shows no face";
            assert_eq!(warnings, [warning]);
            kept.push(image.artifact);
        }
        stop.cancel();
        for worker in workers {
            worker.await.unwrap();
        }
    }
    assert_eq!(kept[..3], kept[3..]);
}

#[tokio::test]
async fn a_worker_without_a_detector_draws_nothing_that_is_to_be_checked() {
    let studio = Studio::with(FaceCheck::On { max_draws: 3 }, None).await;
    let stop = CancellationToken::new();
    let workers = [studio.deal(&stop), studio.paint(&stop)];
    let job = studio.submit(1, 1, 16).await;
    let ended = studio.until(&job.id, |job| job.state.is_terminal()).await;
    assert_eq!(ended.state, JobState::Failed, "{ended:?}");
    let error = ended.error.unwrap();
    assert_eq!(error.reason, "FACE_DETECTOR_MISSING");
    assert!(error.message.contains("make setup"), "{}", error.message);
    assert!(studio.images.find(&job.id, 0).await.unwrap().is_none());
    stop.cancel();
    for worker in workers {
        worker.await.unwrap();
    }
}
