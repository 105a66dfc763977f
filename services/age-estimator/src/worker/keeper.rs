//! What is kept of a run while it goes on: checkpoints, and its figures for TensorBoard.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use agespan_jobs::JobContext;
use agespan_storage::{Artifact, Storage};
use serde::{Deserialize, Serialize};

use crate::training::{Event, events};

const CHECKPOINTS: &str = "models/checkpoints";
const EVENTS: &str = "models/events";
/// TensorBoard looks for these words in a file's name.
const EVENT_FILE: &str = "events.out.tfevents";

/// What a job knows of its last checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) checkpoint: Artifact,
    /// The figures of the steps before it.
    #[serde(default)]
    events: Option<Artifact>,
}

impl Kept {
    pub(super) fn of(context: &JobContext) -> Option<Self> {
        serde_json::from_str(context.checkpoint()?).ok()
    }
}

/// Keeps checkpoints in the store and names them in the job. Figures go to a file in `folder` that
/// TensorBoard can follow, and with each checkpoint to the store.
pub(super) struct Keeper {
    storage: Storage,
    context: JobContext,
    last: Option<Kept>,
    /// All records so far.
    events: Vec<u8>,
    file: Option<File>,
}

impl Keeper {
    /// Goes on where the attempt before was put down.
    pub(super) async fn begin(storage: Storage, context: JobContext, folder: &Path) -> Self {
        let last = Kept::of(&context);
        let mut events = Vec::new();
        if let Some(artifact) = last.as_ref().and_then(|kept| kept.events.as_ref()) {
            match storage.get_artifact(artifact).await {
                Ok(bytes) => events = bytes.into(),
                Err(error) => tracing::warn!(%error, "figures of earlier steps are lost"),
            }
        }
        if events.is_empty() {
            events = events::begin(now());
        }
        let file = match event_file(folder, &events) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "no figures for TensorBoard");
                None
            }
        };
        Self { storage, context, last, events, file }
    }

    /// Puts the figures of an event down.
    pub(super) fn note(&mut self, event: &Event) {
        let Some(record) = events::of(now(), event) else { return };
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(&record)
        {
            tracing::warn!(%error, "TensorBoard's figures are no longer written");
            self.file = None;
        }
        self.events.extend(record);
    }

    /// Stores a checkpoint, names it in the job, and only then deletes the one before. A checkpoint
    /// that cannot be stored costs a repetition, not the run.
    pub(super) async fn keep(&mut self, bytes: Vec<u8>) {
        let checkpoint = self.storage.put_artifact(CHECKPOINTS, "checkpoint", bytes.into()).await;
        let checkpoint = match checkpoint {
            Ok(stored) => stored,
            Err(error) => return tracing::warn!(%error, "a checkpoint could not be stored"),
        };
        let kept = Kept { checkpoint, events: self.store_events(CHECKPOINTS).await };
        let name = serde_json::to_string(&kept).unwrap_or_default();
        if let Err(error) = self.context.save_checkpoint(&name).await {
            return tracing::warn!(%error, "a checkpoint could not be named in the job");
        }
        let before = self.last.replace(kept.clone());
        // The same bytes have the same path.
        let paths = |kept: &Kept| {
            let events = kept.events.as_ref().map(|events| events.path.clone());
            [Some(kept.checkpoint.path.clone()), events]
        };
        let now = paths(&kept);
        for path in before.iter().flat_map(paths).flatten() {
            if !now.contains(&Some(path.clone())) {
                self.delete(&path).await;
            }
        }
    }

    /// Stores the figures for good.
    pub(super) async fn finish(&self) -> Option<Artifact> {
        self.store_events(EVENTS).await
    }

    /// Deletes the last checkpoint, when its run has ended.
    pub(super) async fn forget(&self) {
        let Some(kept) = &self.last else { return };
        self.delete(&kept.checkpoint.path).await;
        if let Some(events) = &kept.events {
            self.delete(&events.path).await;
        }
    }

    async fn store_events(&self, folder: &str) -> Option<Artifact> {
        let stored = self.storage.put_artifact(folder, "tfevents", self.events.clone().into());
        stored
            .await
            .inspect_err(|error| tracing::warn!(%error, "the figures could not be stored"))
            .ok()
    }

    async fn delete(&self, path: &str) {
        if let Err(error) = self.storage.delete(path).await {
            tracing::warn!(%error, "an old checkpoint stays behind");
        }
    }
}

/// A file with the records so far, in place of those of earlier attempts: TensorBoard takes what is
/// in a folder for one run.
fn event_file(folder: &Path, events: &[u8]) -> std::io::Result<File> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(EVENT_FILE) {
            fs::remove_file(&path)?;
        }
    }
    let mut file = File::create(folder.join(format!("{EVENT_FILE}.{:.0}", now())))?;
    file.write_all(events)?;
    Ok(file)
}

/// Seconds since 1970.
fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1e3
}
