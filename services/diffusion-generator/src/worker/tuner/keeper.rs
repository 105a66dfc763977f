//! What is kept of a run while it goes on: its checkpoint, a line for every tenth step, and a sheet
//! of samples for every epoch.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use agespan_jobs::JobContext;
use agespan_storage::{Artifact, Storage};
use bytes::Bytes;
use serde_json::json;

use super::sheet;
use crate::training::{Event, Next};

const CHECKPOINTS: &str = "pipelines/checkpoints";
/// The lines' file.
const LOG: &str = "steps.jsonl";
/// Steps between two lines.
const LOG_EVERY: u64 = 10;

/// Keeps checkpoints in the store and names them in the job.
pub(super) struct Keeper {
    storage: Storage,
    context: JobContext,
    last: Option<Artifact>,
    folder: PathBuf,
}

impl Keeper {
    /// Goes on where the attempt before was put down; with its checkpoint, if there is one.
    pub(super) async fn begin(
        storage: Storage,
        context: JobContext,
        folder: PathBuf,
    ) -> (Self, Option<Bytes>) {
        let last: Option<Artifact> =
            context.checkpoint().and_then(|text| serde_json::from_str(text).ok());
        let bytes = match &last {
            None => None,
            Some(artifact) => storage
                .get_artifact(artifact)
                .await
                .inspect_err(|error| tracing::warn!(%error, "the checkpoint is lost"))
                .ok(),
        };
        if let Err(error) = fs::create_dir_all(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "no figures and sheets are written");
        }
        (Self { storage, context, last, folder }, bytes)
    }

    /// Takes note of an event, and says whether the run is to go on.
    pub(super) async fn note(&mut self, event: Event<'_>) -> Next {
        match event {
            Event::Encoded { done, faces } => {
                self.context.note_progress(done as u64, faces as u64, "encoding faces");
            }
            Event::Step { step, steps, epoch, loss, images_per_second, .. } => {
                let epoch = epoch + 1;
                let message =
                    format!("epoch {epoch}, loss {loss:.4}, {images_per_second:.1} images/s");
                self.context.note_progress(step, steps, &message);
                if step.is_multiple_of(LOG_EVERY) {
                    self.log(&event);
                }
            }
            Event::Epoch { epoch, figures, pipeline } => {
                tracing::info!(epoch, ?figures, "an epoch of fine-tuning ended");
                self.log(&event);
                let path = self.folder.join(format!("epoch-{:03}.png", epoch + 1));
                match sheet::draw(pipeline) {
                    Ok(png) => self.write(&path, &png),
                    Err(error) => tracing::warn!(%error, "no sheet of samples"),
                }
            }
            Event::Checkpoint(bytes) => self.keep(bytes).await,
        }
        if self.context.cancelled().is_cancelled() { Next::Stop } else { Next::GoOn }
    }

    fn log(&self, event: &Event<'_>) {
        let line = match event {
            Event::Step {
                step,
                epoch,
                loss,
                gradient_norm,
                learning_rate,
                images_per_second,
                ..
            } => {
                json!({
                    "step": step, "epoch": epoch, "loss": loss, "gradient_norm": gradient_norm,
                    "learning_rate": learning_rate, "images_per_second": images_per_second,
                })
            }
            Event::Epoch { epoch, figures, .. } => json!({
                "epoch": epoch, "mean_loss": figures.loss,
                "validation_loss": figures.validation_loss,
            }),
            _ => return,
        };
        let path = self.folder.join(LOG);
        let written = OpenOptions::new().create(true).append(true).open(&path);
        if let Err(error) = written.and_then(|mut file| writeln!(file, "{line}")) {
            tracing::debug!(%error, "a line of figures is lost");
        }
    }

    fn write(&self, path: &PathBuf, bytes: &[u8]) {
        if let Err(error) = fs::write(path, bytes) {
            tracing::warn!(%error, path = %path.display(), "a sheet of samples is lost");
        }
    }

    /// Stores a checkpoint, names it in the job, and only then deletes the one before. One that
    /// cannot be stored costs a repetition, not the run.
    async fn keep(&mut self, bytes: Vec<u8>) {
        let stored = self.storage.put_artifact(CHECKPOINTS, "checkpoint", bytes.into()).await;
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) => return tracing::warn!(%error, "a checkpoint could not be stored"),
        };
        let name = serde_json::to_string(&stored).unwrap_or_default();
        if let Err(error) = self.context.save_checkpoint(&name).await {
            return tracing::warn!(%error, "a checkpoint could not be named in the job");
        }
        // The same bytes have the same path.
        if let Some(before) = self.last.replace(stored.clone())
            && before.path != stored.path
        {
            self.delete(&before.path).await;
        }
    }

    /// Deletes the last checkpoint, when its run has ended.
    pub(super) async fn forget(&self) {
        if let Some(last) = &self.last {
            self.delete(&last.path).await;
        }
    }

    async fn delete(&self, path: &str) {
        if let Err(error) = self.storage.delete(path).await {
            tracing::warn!(%error, "an old checkpoint stays behind");
        }
    }
}
