use std::sync::Arc;

use agespan_jobs::{Job, JobState, Jobs, JobsConfig, PrivateRedis, Worker};
use agespan_models::diffusion::SchedulerKind;
use agespan_service::CancellationToken;
use agespan_storage::Storage;
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::images::Images;
use crate::job::{DRAW_KIND, GENERATE_KIND, GenerateJob, Plan};
use crate::pipelines::{Pipelines, Registry};
use crate::tiny_pipeline;

/// A store with a pipeline, and a Redis without workers.
struct Studio {
    jobs: Jobs,
    images: Images,
    pipelines: Pipelines,
    pipeline: String,
    // Ends before its folder is removed.
    _redis: PrivateRedis,
    _folder: TempDir,
}

impl Studio {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = PrivateRedis::start(&folder.path().join("redis")).await.unwrap();
        let storage = Storage::open(folder.path().join("store").to_str().unwrap()).unwrap();
        let registry = Registry::new(storage.clone());
        let path = tiny_pipeline::save(folder.path(), "tiny", 1);
        let pipeline = registry.add(path).await.unwrap().id;
        Self {
            jobs: Jobs::new(JobsConfig::new(redis.url())).unwrap(),
            images: Images::new(storage),
            pipelines: Pipelines::new(registry, folder.path().join("placed")),
            pipeline,
            _redis: redis,
            _folder: folder,
        }
    }

    async fn submit(&self, count: u32, steps: u32, side: u32) -> Job {
        let job = GenerateJob {
            pipeline: self.pipeline.clone(),
            prompt: "a".into(),
            attributes: None,
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
        };
        let payload = serde_json::to_vec(&job).unwrap();
        self.jobs.submit(GENERATE_KIND, &payload, None).await.unwrap()
    }

    fn paint(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let painter = Painter {
            jobs: self.jobs.clone(),
            pipelines: self.pipelines.clone(),
            images: self.images.clone(),
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
    studio.images.insert(&job.id, 0, earlier, (9, vec![])).await.unwrap();
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
    assert_eq!(drawn.seed, 10);
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
