//! The monitors of all calibrations and streams, in memory and in the artifact store.
//!
//! `calibrations/monitors/{id}-{stream}.json`, the stream by its hash. One replica of this service
//! takes reports: two would overwrite each other's counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use agespan_storage::{ContentHash, Storage, StorageError};
use tokio::sync::{Mutex, watch};

use crate::instruments::Instruments;
use crate::monitor::{Monitor, Outcome};
use crate::{Publication, Published};

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
    instruments: Instruments,
}

impl Monitors {
    /// Takes up what was written down.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(storage: Storage, publication: Publication) -> Result<Self, StorageError> {
        let instruments = Instruments::new();
        let mut known = BTreeMap::new();
        for path in storage.list(FOLDER).await? {
            let monitor: Monitor = storage.get_json(&path).await?;
            publication.set_level(&monitor.calibration, &monitor.stream, monitor.adaptive);
            instruments.tell(&monitor);
            known.insert(path, monitor);
        }
        let calm = watch::Sender::new(!known.values().any(Monitor::is_alarming));
        let known = Arc::new(Mutex::new(known));
        Ok(Self { storage, publication, known, calm, instruments })
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
        published: &Published,
        stream: &str,
        outcomes: &[Outcome],
    ) -> Result<usize, StorageError> {
        let (id, calibration) = (&published.record.id, &published.document.calibration);
        let path = path(id, stream);
        // Held while writing: the next report begins with what this one has left.
        let mut known = self.known.lock().await;
        let mut monitor = match known.get(&path) {
            Some(monitor) => monitor.clone(),
            None => Monitor::new(id, stream, calibration),
        };
        let fresh = outcomes.iter().filter(|outcome| monitor.take(calibration, outcome)).count();
        self.storage.put_json(&path, &monitor).await?;
        self.publication.set_level(id, stream, monitor.adaptive);
        self.instruments.tell(&monitor);
        if monitor.is_alarming() && self.calm.send_replace(false) {
            tracing::warn!(calibration = id, stream, "drift: faces are not like at calibration");
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
