//! The monitors of all calibrations and streams, in memory and in the artifact store.
//!
//! `calibrations/monitors/{id}-{stream}.json`, the stream by its hash. One replica of this service
//! takes reports: two would overwrite each other's counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use agespan_conformal::Document;
use agespan_storage::{ContentHash, Storage, StorageError};
use tokio::sync::{Mutex, watch};

use crate::monitor::{Monitor, Outcome};
use crate::{Publication, Record};

const FOLDER: &str = "calibrations/monitors";

/// Whether no alarm is on, of any stream of a calibration that is active.
type Calm = watch::Sender<bool>;

/// Monitors by path.
#[derive(Clone, Debug)]
pub struct Monitors {
    storage: Storage,
    publication: Publication,
    known: Arc<Mutex<BTreeMap<String, Monitor>>>,
    calm: Calm,
}

impl Monitors {
    /// Takes up what was written down.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(storage: Storage, publication: Publication) -> Result<Self, StorageError> {
        let mut known = BTreeMap::new();
        for path in storage.list(FOLDER).await? {
            let monitor: Monitor = storage.get_json(&path).await?;
            publication.set_level(&monitor.calibration, &monitor.stream, monitor.adaptive);
            known.insert(path, monitor);
        }
        let calm = watch::Sender::new(!known.values().any(Monitor::is_alarming));
        Ok(Self { storage, publication, known: Arc::new(Mutex::new(known)), calm })
    }

    /// Follows whether all is calm.
    pub fn calm(&self) -> watch::Receiver<bool> {
        self.calm.subscribe()
    }

    /// Counts outcomes, all or none, and gives how many were new.
    ///
    /// # Errors
    /// When they cannot be written down; nothing is counted then.
    pub async fn report(
        &self,
        record: &Record,
        document: &Document,
        stream: &str,
        outcomes: &[Outcome],
    ) -> Result<usize, StorageError> {
        let calibration = &document.calibration;
        let path = path(&record.id, stream);
        // Held while writing: the next report begins with what this one has left.
        let mut known = self.known.lock().await;
        let mut monitor = match known.get(&path) {
            Some(monitor) => monitor.clone(),
            None => Monitor::new(&record.id, stream, calibration),
        };
        let fresh = outcomes.iter().filter(|outcome| monitor.take(calibration, outcome)).count();
        self.storage.put_json(&path, &monitor).await?;
        self.publication.set_level(&record.id, stream, monitor.adaptive);
        if monitor.is_alarming() && self.calm.send_replace(false) {
            let calibration = record.id.as_str();
            tracing::warn!(calibration, stream, "drift: faces are not like at calibration");
        }
        known.insert(path, monitor);
        Ok(fresh)
    }

    /// What has been seen; none when nothing was reported.
    pub async fn get(&self, id: &str, stream: &str) -> Option<Monitor> {
        self.known.lock().await.get(&path(id, stream)).cloned()
    }
}

fn path(id: &str, stream: &str) -> String {
    format!("{FOLDER}/{id}-{}.json", ContentHash::of(stream.as_bytes()).short())
}
