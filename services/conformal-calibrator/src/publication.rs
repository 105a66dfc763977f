//! The active calibrations in memory, for those who watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// The miscoverage of each stream that follows its misses.
    pub levels: BTreeMap<String, f64>,
}

/// The active calibrations by model.
pub type Active = BTreeMap<String, Arc<Published>>;

/// Tells watchers what is active.
#[derive(Clone, Debug)]
pub struct Publication {
    registry: Registry,
    active: watch::Sender<Active>,
    /// By calibration, active or not, and stream.
    levels: Arc<Mutex<BTreeMap<String, BTreeMap<String, f64>>>>,
}

impl Publication {
    /// Of this registry; nothing is published yet.
    pub fn new(registry: Registry) -> Self {
        Self { registry, active: watch::Sender::new(Active::new()), levels: Arc::default() }
    }

    /// Follows what is active.
    pub fn subscribe(&self) -> watch::Receiver<Active> {
        self.active.subscribe()
    }

    /// Whether this calibration is the active one of its model.
    pub fn is_active(&self, record: &Record) -> bool {
        self.active.borrow().get(&record.model).is_some_and(|active| active.record.id == record.id)
    }

    /// Reads what is active and publishes it, if it changed.
    ///
    /// # Errors
    /// When the store fails; what was published stays.
    pub async fn refresh(&self) -> Result<(), RegistryError> {
        let mut active = Active::new();
        for record in self.registry.active().await? {
            let known = self.active.borrow().get(&record.model).cloned();
            let published = match known {
                Some(known) if known.record.id == record.id => known,
                _ => {
                    let (bytes, document) = self.registry.document(&record).await?;
                    let levels = self.levels().get(&record.id).cloned().unwrap_or_default();
                    Arc::new(Published { record: record.clone(), bytes, document, levels })
                }
            };
            active.insert(record.model, published);
        }
        self.active.send_if_modified(|present| {
            let same = present.len() == active.len()
                && present
                    .iter()
                    .zip(&active)
                    .all(|(old, new)| old.0 == new.0 && old.1.record.id == new.1.record.id);
            *present = active;
            !same
        });
        Ok(())
    }

    /// Publishes a stream's adaptive level.
    pub fn set_level(&self, calibration: &str, stream: &str, level: AdaptiveLevel) {
        let of_calibration = {
            let mut levels = self.levels();
            let levels = levels.entry(calibration.to_owned()).or_default();
            levels.insert(stream.to_owned(), level.miscoverage());
            levels.clone()
        };
        self.active.send_if_modified(|active| {
            let mut modified = false;
            for published in active.values_mut().filter(|known| known.record.id == calibration) {
                let levels = of_calibration.clone();
                *published = Arc::new(Published { levels, ..Published::clone(published) });
                modified = true;
            }
            modified
        });
    }

    fn levels(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, f64>>> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
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
