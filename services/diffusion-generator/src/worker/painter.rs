//! Draws the images of a shard.

use std::time::Duration;

use agespan_jobs::{Handler, Job, JobContext, JobFailure, Jobs, JobsError};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use super::{GENERATION_ENDED, draw_failure, payload, pipeline_failure, stopped, store};
use crate::draws::{self, FaceCheck, Kept};
use crate::engine::{Drawing, OnStep};
use crate::images::{Facts, Images};
use crate::instruments::Instruments;
use crate::job::{GenerateJob, Shard};
use crate::picture;
use crate::pipelines::{Loaded, Pipelines};
use crate::tally::Tally;

/// Between two tries to watch a job while Redis is away.
const WATCH_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Works on shards, one at a time: an image keeps every core busy.
pub(crate) struct Painter {
    pub(crate) jobs: Jobs,
    pub(crate) pipelines: Pipelines,
    pub(crate) images: Images,
    pub(crate) instruments: Instruments,
}

#[async_trait]
impl Handler for Painter {
    async fn run(&self, context: &JobContext, bytes: &[u8]) -> Result<String, JobFailure> {
        let shard: Shard = serde_json::from_slice(bytes).map_err(payload)?;
        let job = self.job(&shard).await?;
        // Whichever ends first drops the others; a drawing that is dropped ends at its next step.
        let tally = tokio::select! {
            drawn = self.draw_all(&shard, &job, context) => drawn?,
            () = context.cancelled().cancelled() => return Err(stopped()),
            () = self.until_given_up(&shard.job) => return Err(stopped()),
        };
        // What its dealer sums up.
        serde_json::to_string(&tally).map_err(payload)
    }
}

impl Painter {
    async fn job(&self, shard: &Shard) -> Result<GenerateJob, JobFailure> {
        let gone = || {
            let message = format!("jobs/{}, which this is a part of, has ended", shard.job);
            JobFailure::permanent(GENERATION_ENDED, message)
        };
        let of_store = |error: JobsError| match error {
            JobsError::NotFound { .. } => gone(),
            other => other.into(),
        };
        if is_given_up(&self.jobs.get(&shard.job).await.map_err(of_store)?) {
            return Err(gone());
        }
        let bytes = self.jobs.payload(&shard.job).await.map_err(of_store)?;
        serde_json::from_slice(&bytes).map_err(payload)
    }

    /// Returns once nobody wants the generation job any more. Its dealer may be too busy, or dead,
    /// to say so.
    async fn until_given_up(&self, job: &str) {
        loop {
            let mut states = self.jobs.watch(job);
            loop {
                match states.next().await {
                    Some(Ok(state)) if is_given_up(&state) => return,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break,
                    // Deleted.
                    None => return,
                }
            }
            tokio::time::sleep(WATCH_AGAIN_AFTER).await;
        }
    }

    async fn draw_all(
        &self,
        shard: &Shard,
        job: &GenerateJob,
        context: &JobContext,
    ) -> Result<Tally, JobFailure> {
        let noise = match &job.noise {
            Some(artifact) => Some(self.images.bytes(artifact).await.map_err(store)?),
            None => None,
        };
        let (mut tally, mut warning) = (Tally::default(), String::new());
        for number in 0..shard.count {
            let index = shard.first + number;
            let done = u64::from(number) * job.steps_made;
            context.note_progress(done, u64::from(shard.count) * job.steps_made, &warning);
            // Drawn by an attempt before this one.
            if let Some(image) = self.images.find(&shard.job, index).await.map_err(store)? {
                tally.add(&image.facts);
                continue;
            }
            let loaded = self.pipelines.get(&job.pipeline).await.map_err(pipeline_failure)?;
            let place = Place { shard, job, number, done };
            let kept = self.draw(&loaded, &place, noise.clone(), context).await?;
            let facts = facts(&kept, job);
            let (prompt, _) = job.subject(index);
            let file = picture::encode(&kept, &facts, (job, prompt), &loaded.record)
                .map_err(|error| JobFailure::permanent("PNG", error))?;
            for warning in &facts.warnings {
                tracing::warn!(index, warning, "an image is drawn");
            }
            warning = facts.warnings.join("; ");
            tally.add(&facts);
            let files = (file, kept.drawn.trace);
            self.images.insert(&shard.job, index, files, facts).await.map_err(store)?;
            self.instruments.drew();
        }
        let total = u64::from(shard.count) * job.steps_made;
        context.progress(total, total, &warning).await?;
        Ok(tally)
    }

    async fn draw(
        &self,
        loaded: &Loaded,
        place: &Place<'_>,
        noise: Option<Bytes>,
        context: &JobContext,
    ) -> Result<Kept, JobFailure> {
        let Place { shard, job, number, .. } = *place;
        let sampling = job.sampling().ok_or_else(|| {
            let message = format!("{} is not known here; run one version", job.scheduler);
            JobFailure::permanent("SCHEDULER_UNKNOWN", message)
        })?;
        let drawing = Drawing {
            prompt: job.subject(shard.first + number).0,
            negative_prompt: job.negative_prompt.clone(),
            sampling,
            seed: job.seed_of(shard.first + number),
            noise,
            trace: job.trace,
            count_faces: matches!(job.face_check, FaceCheck::On { .. }),
        };
        let on_step = |draw| -> OnStep {
            let (instruments, mut report) =
                (self.instruments.clone(), place.on_step(context, draw));
            Box::new(move |made| {
                instruments.stepped();
                report(made);
            })
        };
        draws::draw(&loaded.engine, &drawing, job.face_check, on_step)
            .await
            .map_err(|error| draw_failure(&error))
    }
}

/// Which image of which shard.
#[derive(Clone, Copy)]
struct Place<'a> {
    shard: &'a Shard,
    job: &'a GenerateJob,
    number: u32,
    done: u64,
}

impl Place<'_> {
    /// Reports the steps of a draw. Those of later draws are not counted: nobody knows beforehand
    /// whether they will be made.
    fn on_step(&self, context: &JobContext, draw: u32) -> OnStep {
        let Self { shard, job, number, done } = *self;
        let (context, total) = (context.clone(), u64::from(shard.count) * job.steps_made);
        if draw == 1 {
            return Box::new(move |made| context.note_progress(done + made, total, ""));
        }
        let (done, most) = (done + job.steps_made, job.face_check.max_draws());
        let message = format!("image {}: draw {draw} of up to {most}", shard.first + number);
        Box::new(move |_| context.note_progress(done, total, &message))
    }
}

fn facts(kept: &Kept, job: &GenerateJob) -> Facts {
    Facts {
        seed: kept.seed,
        warnings: kept.warnings(job.face_check),
        draws: kept.draws,
        draw: kept.draw,
        faces: kept.drawn.faces,
        safety: kept.drawn.safety,
    }
}

fn is_given_up(job: &Job) -> bool {
    job.cancel_requested || job.state.is_terminal()
}
