//! Fine-tunes a pipeline as a job.

mod keeper;
mod sheet;

use std::path::PathBuf;

use agespan_jobs::{Handler, JobContext, JobFailure};
use agespan_models::diffusion::{DiffusionError, LORA_FILE, Pipeline};
use agespan_models::tch::{Device, Kind};
use agespan_models::weights;
use agespan_service::status::chain;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::{payload, pipeline_failure, stopped};
use crate::job::TuneJob;
use crate::pipelines::{Pipelines, Registry};
use crate::training::{Event, FineTuneError, Fitted, Next, Portrait, finetune};
use crate::transport::{Labelled, Peers, Split};
use keeper::Keeper;

/// Validation faces that are looked at, spread over all.
const VALIDATED: usize = 256;

/// Works on fine-tuning jobs.
pub(crate) struct Tuner {
    pub(crate) peers: Peers,
    pub(crate) registry: Registry,
    pub(crate) pipelines: Pipelines,
    /// Where each job has a folder of figures and sheets.
    pub(crate) folder: PathBuf,
}

#[async_trait]
impl Handler for Tuner {
    async fn run(&self, context: &JobContext, bytes: &[u8]) -> Result<String, JobFailure> {
        let job: TuneJob = serde_json::from_slice(bytes).map_err(payload)?;
        let record = self.registry.record(&job.pipeline).await.map_err(pipeline_failure)?;
        let side = record.shape.image_size;
        let path = self.pipelines.place(record).await.map_err(pipeline_failure)?;
        context.note_progress(0, 0, "gathering faces");
        let faces = self.faces(&job, Split::Train, job.max_samples, side, context).await?;
        let validation = self.faces(&job, Split::Validation, VALIDATED, side, context).await?;
        let folder = self.folder.join(context.job_id());
        let storage = self.registry.storage().clone();
        let (mut keeper, checkpoint) = Keeper::begin(storage, context.clone(), folder).await;

        let (context, runtime) = (context.clone(), Handle::current());
        let (registry, base) = (self.registry.clone(), job.pipeline.clone());
        let tune = move || -> Result<(String, Keeper), JobFailure> {
            let pipeline = Pipeline::open(&path, Kind::Float, Device::cuda_if_available())
                .map_err(|error| JobFailure::permanent("PIPELINE_BROKEN", chain(&error)))?;
            let fitted = tune(&job, pipeline, (faces, validation), checkpoint, &mut |event| {
                runtime.block_on(keeper.note(event))
            })?;
            let saved = save(&fitted)?;
            let record = runtime.block_on(registry.add_tuned(saved.path().join("pipeline"), base));
            Ok((record.map_err(pipeline_failure)?.id, keeper))
        };
        let tuned = tokio::task::spawn_blocking(tune)
            .await
            .map_err(|error| JobFailure::retryable("FINE_TUNING_PANICKED", error))?;
        let (id, keeper) = tuned.inspect_err(|_| {
            tracing::debug!(job = context.job_id(), "the last checkpoint stays");
        })?;
        keeper.forget().await;
        Ok(format!("pipelines/{id}"))
    }
}

impl Tuner {
    /// The faces of a split that have all labels; at most so many, spread over all; 0 for all.
    async fn faces(
        &self,
        job: &TuneJob,
        split: Split,
        most: usize,
        side: u32,
        context: &JobContext,
    ) -> Result<Vec<Portrait>, JobFailure> {
        let decode = move |photo: Labelled| {
            Portrait::decode(&photo.image, photo.attributes, side)
                .map_err(|error| JobFailure::permanent(error.reason(), error))
        };
        let found = self.peers.faces(&job.dataset, split, most, context, decode).await?;
        if found.left_out > 0 {
            let unlabelled = found.left_out;
            tracing::info!(unlabelled, ?split, "faces without age, gender or race are left out");
        }
        Ok(found.faces)
    }
}

fn tune(
    job: &TuneJob,
    pipeline: Pipeline,
    (faces, validation): (Vec<Portrait>, Vec<Portrait>),
    checkpoint: Option<Bytes>,
    observe: &mut dyn FnMut(Event) -> Next,
) -> Result<Fitted, JobFailure> {
    finetune(&job.spec, pipeline, faces, validation, checkpoint.as_deref(), observe).map_err(
        |error| {
            let message = chain(&error);
            match error {
                FineTuneError::Stopped => stopped(),
                FineTuneError::TooFew { .. } => JobFailure::permanent("TOO_FEW_FACES", message),
                FineTuneError::Diverged { .. } => JobFailure::permanent("DIVERGED", message),
                // Memory that is short now may not be short on another worker.
                FineTuneError::Tensor(_) => JobFailure::retryable("PIPELINE_FAILED", message),
                _ => JobFailure::permanent("FINE_TUNING", message),
            }
        },
    )
}

/// The pipeline as a diffusers directory, with the additions beside it where it was they that were
/// learned. The folder is gone when it is dropped.
fn save(fitted: &Fitted) -> Result<tempfile::TempDir, JobFailure> {
    let failed = |error: &dyn std::error::Error| JobFailure::retryable("FOLDER", error.to_string());
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let path = folder.path().join("pipeline");
    fitted
        .pipeline
        .save(&path)
        .map_err(|error: DiffusionError| JobFailure::retryable("FOLDER", chain(&error)))?;
    if let Some(lora) = &fitted.lora {
        let named: Vec<_> =
            lora.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect();
        let bytes = weights::write(&named).map_err(|error| failed(&error))?;
        std::fs::write(path.join(LORA_FILE), bytes).map_err(|error| failed(&error))?;
    }
    Ok(folder)
}
