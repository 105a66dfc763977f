//! The active calibrations in memory, for those who watch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agespan_conformal::{AdaptiveLevel, Document};
use agespan_service::CancellationToken;
use bytes::Bytes;
use tokio::sync::watch;

use crate::{Record, Registry, RegistryError};

/// How often the store is asked what is active. A replica learns of another's activation by this;
/// its own it publishes at once.
const POLL: Duration = Duration::from_secs(2);

/// An active calibration.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its record.
    pub record: Record,
    /// Its document, as stored.
    pub bytes: Bytes,
    /// Its document, as read.
    pub document: Document,
}

/// What watchers are told.
#[derive(Clone, Debug, Default)]
pub struct Active {
    /// The active calibrations by model.
    pub calibrations: BTreeMap<String, Arc<Published>>,
    /// The miscoverage of each stream that follows its misses, by calibration, active or not.
    pub levels: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Tells watchers what is active.
#[derive(Clone, Debug)]
pub struct Publication {
    registry: Registry,
    active: watch::Sender<Active>,
}

impl Publication {
    /// Of this registry; nothing is published yet.
    pub fn new(registry: Registry) -> Self {
        Self { registry, active: watch::Sender::default() }
    }

    /// Follows what is active.
    pub fn subscribe(&self) -> watch::Receiver<Active> {
        self.active.subscribe()
    }

    /// Whether this calibration is the active one of its model.
    pub fn is_active(&self, record: &Record) -> bool {
        let active = self.active.borrow();
        let published = active.calibrations.get(&record.model);
        published.is_some_and(|published| published.record.id == record.id)
    }

    /// A calibration as it was published, or as the store has it when it is not active.
    ///
    /// # Errors
    /// When it is not there, or the store fails.
    pub async fn get(&self, id: &str) -> Result<Arc<Published>, RegistryError> {
        let by_id = |published: &&Arc<Published>| published.record.id == id;
        let published = self.active.borrow().calibrations.values().find(by_id).cloned();
        match published {
            Some(published) => Ok(published),
            None => self.read(self.registry.record(id).await?).await,
        }
    }

    async fn read(&self, record: Record) -> Result<Arc<Published>, RegistryError> {
        let (bytes, document) = self.registry.document(&record).await?;
        Ok(Arc::new(Published { record, bytes, document }))
    }

    /// Reads what is active and publishes it, if it changed.
    ///
    /// # Errors
    /// When the store fails; what was published stays.
    pub async fn refresh(&self) -> Result<(), RegistryError> {
        let mut calibrations = BTreeMap::new();
        for record in self.registry.active().await? {
            let known = self.active.borrow().calibrations.get(&record.model).cloned();
            let published = match known {
                Some(known) if known.record.id == record.id => known,
                _ => self.read(record).await?,
            };
            calibrations.insert(published.record.model.clone(), published);
        }
        self.active.send_if_modified(|present| {
            let ids = |calibrations: &BTreeMap<String, Arc<Published>>| -> Vec<String> {
                calibrations.values().map(|published| published.record.id.clone()).collect()
            };
            let modified = ids(&present.calibrations) != ids(&calibrations);
            present.calibrations = calibrations;
            modified
        });
        Ok(())
    }

    /// Publishes a stream's adaptive level.
    pub fn set_level(&self, calibration: &str, stream: &str, level: AdaptiveLevel) {
        self.active.send_modify(|active| {
            let levels = active.levels.entry(calibration.to_owned()).or_default();
            levels.insert(stream.to_owned(), level.miscoverage());
        });
    }

    /// Refreshes until told to stop.
    pub async fn keep_fresh(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "cannot read which calibrations are active");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}
