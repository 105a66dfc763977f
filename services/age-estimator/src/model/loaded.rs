//! Models in memory: the active one, and one more that somebody asked for by name.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use agespan_models::WeightsError;
use agespan_service::CancellationToken;
use tokio::sync::Mutex;

use super::{ModelError, Record, Registry};
use crate::Arithmetic;
use crate::engine::Engine;
use crate::instruments::Instruments;

/// How often the store is asked which model is active. A replica learns of another's activation by
/// this; its own it follows at once.
const POLL: Duration = Duration::from_secs(2);

/// A model that can be asked.
#[derive(Debug)]
pub struct Loaded {
    /// What it is.
    pub record: Record,
    /// Its thread.
    pub engine: Engine,
}

/// Why a model cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be had.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its weights do not fit its card.
    #[error("the weights of model {id} cannot be loaded")]
    Weights {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: WeightsError,
    },
    /// Nothing is active yet.
    #[error("no model is active")]
    NoneActive,
}

#[derive(Debug, Default)]
struct Slots {
    active: Option<Arc<Loaded>>,
    /// A model under trial. One is enough: to calibrate and evaluate it before it is activated.
    candidate: Option<Arc<Loaded>>,
}

/// The loaded models. Requests hold the model that they began with, so it can be replaced at any
/// time.
#[derive(Clone, Debug)]
pub struct Models {
    registry: Registry,
    arithmetic: Arithmetic,
    instruments: Arc<Instruments>,
    slots: Arc<RwLock<Slots>>,
    /// Held while loading, so that many requests for one model load it once.
    loading: Arc<Mutex<()>>,
}

impl Models {
    /// None yet.
    pub fn new(registry: Registry, arithmetic: Arithmetic, instruments: Arc<Instruments>) -> Self {
        Self { registry, arithmetic, instruments, slots: Arc::default(), loading: Arc::default() }
    }

    /// The active model.
    ///
    /// # Errors
    /// When nothing is active yet.
    pub fn active(&self) -> Result<Arc<Loaded>, LoadError> {
        self.read(|slots| slots.active.clone()).ok_or(LoadError::NoneActive)
    }

    /// A model by id, loading it where needed.
    ///
    /// # Errors
    /// When it is not there or cannot be loaded.
    pub async fn get(&self, id: &str) -> Result<Arc<Loaded>, LoadError> {
        if let Some(loaded) = self.find(id) {
            return Ok(loaded);
        }
        let _alone = self.loading.lock().await;
        if let Some(loaded) = self.find(id) {
            return Ok(loaded);
        }
        let loaded = self.load(id).await?;
        self.write(|slots| slots.candidate = Some(loaded.clone()));
        Ok(loaded)
    }

    /// Loads whatever the store says is active.
    ///
    /// # Errors
    /// When it cannot be loaded; the one before stays.
    pub async fn refresh(&self) -> Result<(), LoadError> {
        let id = self.registry.active().await?;
        let _alone = self.loading.lock().await;
        if self.active().is_ok_and(|active| active.record.id == id) {
            return Ok(());
        }
        let loaded = match self.find(&id) {
            Some(loaded) => loaded,
            None => self.load(&id).await?,
        };
        tracing::info!(model = id, arithmetic = ?loaded.engine.arithmetic(), "model is active");
        self.write(|slots| slots.active = Some(loaded));
        Ok(())
    }

    /// Refreshes until told to stop.
    pub async fn keep_fresh(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "cannot follow which model is active");
            }
        }
    }

    async fn load(&self, id: &str) -> Result<Arc<Loaded>, LoadError> {
        let record = self.registry.record(id).await?;
        let weights = self.registry.weights(&record).await?;
        let (shape, instruments) = (record.card.shape(), self.instruments.clone());
        let engine = Engine::start(&weights, &shape, self.arithmetic, instruments)
            .map_err(|source| LoadError::Weights { id: id.to_owned(), source })?;
        Ok(Arc::new(Loaded { record, engine }))
    }

    fn find(&self, id: &str) -> Option<Arc<Loaded>> {
        self.read(|slots| {
            let mut loaded = slots.active.iter().chain(&slots.candidate);
            loaded.find(|loaded| loaded.record.id == id).cloned()
        })
    }

    // A std lock: it is held for a clone of an Arc and never across an await.
    fn read<T>(&self, look: impl FnOnce(&Slots) -> T) -> T {
        look(&self.slots.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Slots)) {
        change(&mut self.slots.write().unwrap_or_else(PoisonError::into_inner));
    }
}
