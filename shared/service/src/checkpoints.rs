//! The checkpoints of a job: in the artifact store, the last one named in the job.

use agespan_jobs::JobContext;
use agespan_storage::{Artifact, Storage, StorageError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a job knows of its last checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    checkpoint: Artifact,
    /// What belongs to it: the figures of the steps before it.
    #[serde(default)]
    events: Option<Artifact>,
}

impl Kept {
    fn paths(&self) -> impl Iterator<Item = &str> {
        let events = self.events.as_ref().map(|events| events.path.as_str());
        [Some(self.checkpoint.path.as_str()), events].into_iter().flatten()
    }
}

/// Keeps the checkpoints of a job in the store and names the last in the job.
#[derive(Debug)]
pub struct Checkpoints {
    storage: Storage,
    context: JobContext,
    folder: &'static str,
    last: Option<Kept>,
}

impl Checkpoints {
    /// Those of a job, in a folder of the store; the last is that of the attempt before.
    pub fn new(storage: Storage, context: JobContext, folder: &'static str) -> Self {
        let last = context.checkpoint().and_then(|text| serde_json::from_str(text).ok());
        Self { storage, context, folder, last }
    }

    /// The last checkpoint; none where there is none.
    ///
    /// # Errors
    /// When it is named and cannot be read.
    pub async fn last(&self) -> Result<Option<Bytes>, StorageError> {
        self.read(self.last.as_ref().map(|last| &last.checkpoint)).await
    }

    /// What belongs to the last checkpoint.
    ///
    /// # Errors
    /// As [`Checkpoints::last`].
    pub async fn last_events(&self) -> Result<Option<Bytes>, StorageError> {
        self.read(self.last.as_ref().and_then(|last| last.events.as_ref())).await
    }

    async fn read(&self, artifact: Option<&Artifact>) -> Result<Option<Bytes>, StorageError> {
        match artifact {
            Some(artifact) => self.storage.get_artifact(artifact).await.map(Some),
            None => Ok(None),
        }
    }

    /// Stores a checkpoint, then what belongs to it, names both in the job, and only then deletes those
    /// before. One that cannot be stored costs a repetition, not the run.
    pub async fn keep(&mut self, bytes: Vec<u8>, events: impl Future<Output = Option<Artifact>>) {
        let stored = self.storage.put_artifact(self.folder, "checkpoint", bytes.into()).await;
        let checkpoint = match stored {
            Ok(checkpoint) => checkpoint,
            Err(error) => return tracing::warn!(%error, "a checkpoint could not be stored"),
        };
        let kept = Kept { checkpoint, events: events.await };
        let name = serde_json::to_string(&kept).unwrap_or_default();
        if let Err(error) = self.context.save_checkpoint(&name).await {
            return tracing::warn!(%error, "a checkpoint could not be named in the job");
        }
        let Some(before) = self.last.replace(kept.clone()) else { return };
        // The same bytes have the same path.
        for path in before.paths().filter(|path| kept.paths().all(|now| now != *path)) {
            self.delete(path).await;
        }
    }

    /// Deletes the last checkpoint, when its run has ended.
    pub async fn forget(&self) {
        for path in self.last.iter().flat_map(Kept::paths) {
            self.delete(path).await;
        }
    }

    async fn delete(&self, path: &str) {
        if let Err(error) = self.storage.delete(path).await {
            tracing::warn!(%error, "an old checkpoint stays behind");
        }
    }
}
