//! Training as a job.

mod keeper;

use std::path::PathBuf;

use agespan_jobs::{Handler, JobContext, JobFailure};
use agespan_service::Checkpoints;
use agespan_service::status::chain;
use agespan_storage::Storage;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::engine::Shape;
use crate::model::{Card, ModelError, Registry};
use crate::training::{Event, Face, Next, Start, Teacher, TrainError, TrainSpec, Trained, train};
use crate::transport::{Labelled, Peers, Split};
use keeper::Keeper;

/// What the job is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainJob {
    pub(crate) dataset: String,
    /// The id of a model to begin with; empty for the backbone's first weights.
    #[serde(default)]
    pub(crate) from: String,
    /// 0 for all.
    pub(crate) max_samples: usize,
    pub(crate) spec: TrainSpec,
}

/// Works on training jobs.
pub(crate) struct Trainer {
    pub(crate) peers: Peers,
    pub(crate) registry: Registry,
    pub(crate) storage: Storage,
    pub(crate) first_weights: PathBuf,
    /// Where each job has a folder of figures for TensorBoard.
    pub(crate) figures: PathBuf,
}

/// The faces of a data set that a run needs.
struct Gathered {
    dataset_hash: String,
    training: Vec<Face>,
    validation: Vec<Face>,
}

#[async_trait]
impl Handler for Trainer {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let job: TrainJob = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("PAYLOAD", error))?;
        let checkpoints =
            Checkpoints::new(self.storage.clone(), context.clone(), keeper::CHECKPOINTS);
        let beginning = self.start(&job, &checkpoints).await?;
        let teachers = self.teachers(&job).await?;
        let gathered = self.gather(&job, context).await?;
        let dataset_hash = gathered.dataset_hash.clone();
        let figures = self.figures.join(context.job_id());
        let keeper = Keeper::begin(self.storage.clone(), checkpoints, &figures).await;
        let (trained, keeper) =
            self.train(&job, gathered, beginning, teachers, keeper, context).await?;
        let card = Card {
            dataset: job.dataset,
            dataset_hash,
            spec: job.spec,
            validation: trained.best,
            history: trained.history,
            events: keeper.finish().await,
        };
        let record = self
            .registry
            .insert(Bytes::from(trained.weights), card, false)
            .await
            .map_err(|error| JobFailure::retryable("STORE", chain(&error)))?;
        keeper.forget().await;
        Ok(format!("models/{}", record.id))
    }
}

/// Where a run begins, as owned bytes.
enum Beginning {
    Backbone(Bytes),
    Model(Bytes),
    Checkpoint(Bytes),
}

impl Trainer {
    async fn start(
        &self,
        job: &TrainJob,
        checkpoints: &Checkpoints,
    ) -> Result<Beginning, JobFailure> {
        match checkpoints.last().await {
            Ok(Some(bytes)) => return Ok(Beginning::Checkpoint(bytes)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the checkpoint is lost; training anew"),
        }
        if !job.from.is_empty() {
            return Ok(Beginning::Model(self.model(&job.from).await?.0));
        }
        let path = self.first_weights.join(job.spec.net.backbone.first_weights());
        let bytes = tokio::fs::read(&path).await.map_err(|error| {
            JobFailure::permanent(
                "BACKBONE_MISSING",
                format!(
                    "cannot read {}: {error}; run `make setup`, or start with --first-weights DIR",
                    path.display()
                ),
            )
        })?;
        Ok(Beginning::Backbone(bytes.into()))
    }

    async fn teachers(&self, job: &TrainJob) -> Result<Vec<(Bytes, Shape)>, JobFailure> {
        let mut teachers = Vec::new();
        for id in job.spec.distillation.iter().flat_map(|distillation| &distillation.teachers) {
            teachers.push(self.model(id).await?);
        }
        Ok(teachers)
    }

    async fn model(&self, id: &str) -> Result<(Bytes, Shape), JobFailure> {
        let failed = |error: ModelError| match error {
            ModelError::NotFound(_) => JobFailure::permanent("MODEL_NOT_FOUND", chain(&error)),
            other => JobFailure::retryable("STORE", chain(&other)),
        };
        let record = self.registry.record(id).await.map_err(failed)?;
        let weights = self.registry.weights(&record).await.map_err(failed)?;
        Ok((weights, record.card.shape()))
    }

    async fn gather(&self, job: &TrainJob, context: &JobContext) -> Result<Gathered, JobFailure> {
        context.note_progress(0, 0, "gathering faces");
        let dataset_hash = self.peers.dataset_hash(&job.dataset).await?;
        let input = job.spec.input;
        let decode = move |photo: Labelled| {
            Face::decode(&photo.image, photo.age, photo.female, &input)
                .map_err(|error| JobFailure::permanent(error.reason(), error))
        };
        let (dataset, most) = (&job.dataset, job.max_samples);
        let training = self.peers.faces(dataset, Split::Train, most, context, decode).await?;
        let validation =
            self.peers.faces(dataset, Split::Validation, most, context, decode).await?;
        Ok(Gathered { dataset_hash, training, validation })
    }

    async fn train(
        &self,
        job: &TrainJob,
        faces: Gathered,
        beginning: Beginning,
        teachers: Vec<(Bytes, Shape)>,
        mut keeper: Keeper,
        context: &JobContext,
    ) -> Result<(Trained, Keeper), JobFailure> {
        let (spec, context) = (job.spec.clone(), context.clone());
        let runtime = Handle::current();
        let run = move || {
            let start = match &beginning {
                Beginning::Backbone(bytes) => Start::Backbone(bytes),
                Beginning::Model(bytes) => Start::Model(bytes),
                Beginning::Checkpoint(bytes) => Start::Checkpoint(bytes),
            };
            let teachers: Vec<Teacher> = teachers
                .iter()
                .map(|(weights, shape)| Teacher { weights, shape: *shape })
                .collect();
            let trained =
                train(&spec, &faces.training, &faces.validation, start, &teachers, &mut |event| {
                    keeper.note(&event);
                    match event {
                        Event::Step { step, steps, epoch, loss, images_per_second, .. } => {
                            let message = format!(
                                "epoch {} of {}, loss {loss:.3}, {images_per_second:.0} images/s",
                                epoch + 1,
                                spec.epochs
                            );
                            context.note_progress(step, steps, &message);
                        }
                        Event::Epoch { epoch, figures, .. } => {
                            tracing::info!(epoch, ?figures, "an epoch of training ended");
                        }
                        Event::Checkpoint(bytes) => runtime.block_on(keeper.keep(bytes)),
                    }
                    if context.cancelled().is_cancelled() { Next::Stop } else { Next::GoOn }
                });
            trained.map(|trained| (trained, keeper))
        };
        let trained = tokio::task::spawn_blocking(run)
            .await
            .map_err(|error| JobFailure::retryable("TRAINING_PANICKED", error))?;
        trained.map_err(|error| match error {
            TrainError::Stopped => stopped(),
            TrainError::TooFew { .. } => JobFailure::permanent("TOO_FEW_FACES", chain(&error)),
            TrainError::Mixing => JobFailure::permanent("MIXING", chain(&error)),
            TrainError::Diverged { .. } => JobFailure::permanent("DIVERGED", chain(&error)),
            other => JobFailure::permanent("TRAINING", chain(&other)),
        })
    }
}

fn stopped() -> JobFailure {
    JobFailure::retryable("STOPPED", "the training was stopped")
}
