//! What is kept of a run while it goes on: checkpoints, and its figures for TensorBoard.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use agespan_service::Checkpoints;
use agespan_storage::{Artifact, Storage};

use crate::training::{Event, events};

/// Where checkpoints are, with the figures of the steps before them.
pub(super) const CHECKPOINTS: &str = "models/checkpoints";
const EVENTS: &str = "models/events";
/// TensorBoard looks for these words in a file's name.
const EVENT_FILE: &str = "events.out.tfevents";

/// Keeps checkpoints in the store and names them in the job. Figures go to a file in `folder` that
/// TensorBoard can follow, and with each checkpoint to the store.
pub(super) struct Keeper {
    storage: Storage,
    checkpoints: Checkpoints,
    /// All records so far.
    events: Vec<u8>,
    file: Option<File>,
}

impl Keeper {
    /// Goes on where the attempt before was put down.
    pub(super) async fn begin(storage: Storage, checkpoints: Checkpoints, folder: &Path) -> Self {
        let mut events = Vec::new();
        match checkpoints.last_events().await {
            Ok(bytes) => events.extend(bytes.unwrap_or_default()),
            Err(error) => tracing::warn!(%error, "figures of earlier steps are lost"),
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
        Self { storage, checkpoints, events, file }
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

    /// Keeps a checkpoint, with the figures of the steps before it.
    pub(super) async fn keep(&mut self, bytes: Vec<u8>) {
        let figures = store_events(&self.storage, CHECKPOINTS, self.events.clone());
        self.checkpoints.keep(bytes, figures).await;
    }

    /// Stores the figures for good.
    pub(super) async fn finish(&self) -> Option<Artifact> {
        store_events(&self.storage, EVENTS, self.events.clone()).await
    }

    /// Deletes the last checkpoint, when its run has ended.
    pub(super) async fn forget(&self) {
        self.checkpoints.forget().await;
    }
}

async fn store_events(storage: &Storage, folder: &str, events: Vec<u8>) -> Option<Artifact> {
    let stored = storage.put_artifact(folder, "tfevents", events.into()).await;
    stored.inspect_err(|error| tracing::warn!(%error, "the figures could not be stored")).ok()
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
