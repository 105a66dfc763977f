//! The pipeline in memory: one at a time, for it may fill a machine.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::{PipelineError, Record, Registry, place};
use crate::engine::Engine;
use crate::faces::Detector;

/// Images that wait for the pipeline. A worker draws one job at a time, so that hardly any do.
const QUEUE: usize = 2;

/// A pipeline that can be asked.
#[derive(Debug)]
pub struct Loaded {
    /// What it is.
    pub record: Record,
    /// Its thread.
    pub engine: Engine,
}

/// The pipelines of a worker, of which the last that was asked for is loaded.
#[derive(Clone, Debug)]
pub struct Pipelines {
    registry: Registry,
    folder: PathBuf,
    detector: Detector,
    // tokio's Mutex: it is held while a pipeline is loaded, so that it is loaded once.
    loaded: Arc<Mutex<Option<Arc<Loaded>>>>,
}

impl Pipelines {
    /// None loaded yet. Files go to `folder`; each pipeline's faces are counted by the detector.
    pub fn new(registry: Registry, folder: PathBuf, detector: Detector) -> Self {
        Self { registry, folder, detector, loaded: Arc::default() }
    }

    /// A pipeline by id, loading it where needed.
    ///
    /// # Errors
    /// When it is not there or cannot be loaded.
    pub async fn get(&self, id: &str) -> Result<Arc<Loaded>, PipelineError> {
        let mut slot = self.loaded.lock().await;
        if let Some(loaded) = slot.as_ref()
            && loaded.record.id == id
            && !loaded.engine.has_ended()
        {
            return Ok(loaded.clone());
        }
        // First, so that two are never in memory.
        *slot = None;
        let record = self.registry.record(id).await?;
        let path = self.place(record.clone()).await?;
        let engine = Engine::start(path, self.detector.clone(), QUEUE)
            .await
            .map_err(|source| PipelineError::Load { id: id.to_owned(), source: source.into() })?;
        tracing::info!(pipeline = id, "a pipeline is loaded");
        if !record.shape.has_safety_checker {
            tracing::warn!(
                pipeline = id,
                "the pipeline has no safety checker: images are stored whatever they show"
            );
        }
        let loaded = Arc::new(Loaded { record, engine });
        *slot = Some(loaded.clone());
        Ok(loaded)
    }

    /// A pipeline's directory on this machine.
    ///
    /// # Errors
    /// When it cannot be fetched or written.
    pub async fn place(&self, record: Record) -> Result<PathBuf, PipelineError> {
        let (storage, folder) = (self.registry.storage().clone(), self.folder.clone());
        let runtime = Handle::current();
        let placing = move || runtime.block_on(place::place(&storage, &record, &folder));
        tokio::task::spawn_blocking(placing).await?
    }
}
