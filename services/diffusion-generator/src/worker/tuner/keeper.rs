//! What is kept of a run while it goes on: its checkpoint, a line for every tenth step, and a sheet
//! of samples for every epoch.

use std::fs::{self, OpenOptions};
use std::future::ready;
use std::io::Write;
use std::path::PathBuf;

use agespan_jobs::JobContext;
use agespan_service::Checkpoints;
use agespan_storage::Storage;
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
    checkpoints: Checkpoints,
    context: JobContext,
    folder: PathBuf,
}

impl Keeper {
    /// Goes on where the attempt before was put down; with its checkpoint, if there is one.
    pub(super) async fn begin(
        storage: Storage,
        context: JobContext,
        folder: PathBuf,
    ) -> (Self, Option<Bytes>) {
        let checkpoints = Checkpoints::new(storage, context.clone(), CHECKPOINTS);
        let bytes = checkpoints.last().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the checkpoint is lost");
            None
        });
        if let Err(error) = fs::create_dir_all(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "no figures and sheets are written");
        }
        (Self { checkpoints, context, folder }, bytes)
    }

    /// Takes note of an event, and says whether the run is to go on.
    pub(super) async fn note(&mut self, event: Event<'_>) -> Next {
        match event {
            Event::Encoded { done, faces } => {
                // Steps are counted, and a count never goes back.
                self.context.note_progress(0, 0, &format!("encoding faces: {done} of {faces}"));
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
            Event::Checkpoint(bytes) => self.checkpoints.keep(bytes, ready(None)).await,
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

    /// Deletes the last checkpoint, when its run has ended.
    pub(super) async fn forget(&self) {
        self.checkpoints.forget().await;
    }
}
