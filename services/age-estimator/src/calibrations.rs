//! The active calibrations in memory, pushed by the calibrator and written down, so that intervals
//! go on while the calibrator is away and after a restart.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use agespan_conformal::{Document, DocumentError};
use agespan_storage::ContentHash;

/// A calibration, as an answer needs it.
#[derive(Debug)]
pub struct Active {
    /// The beginning of the document's hash.
    pub id: String,
    /// The scores.
    pub document: Arc<Document>,
    /// The miscoverage of each stream that follows its misses. They are not written down: until
    /// the calibrator is back after a restart, such streams are answered at the level they ask for.
    pub levels: HashMap<String, f64>,
}

/// The active calibrations by model.
#[derive(Clone, Debug)]
pub struct Calibrations {
    folder: PathBuf,
    by_model: Arc<RwLock<HashMap<String, Arc<Active>>>>,
}

impl Calibrations {
    /// Takes up what an earlier process wrote down in this folder. What cannot be read is logged
    /// and passed over: the calibrator will send it again.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let calibrations = Self { folder: folder.to_owned(), by_model: Arc::default() };
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                && let Err(error) = calibrations.keep(&fs::read(&path)?, HashMap::new())
            {
                tracing::warn!(path = %path.display(), %error, "passed over a calibration");
            }
        }
        Ok(calibrations)
    }

    /// The active calibration of a model.
    pub fn get(&self, model: &str) -> Option<Arc<Active>> {
        // A std lock: it is held for a clone of an Arc and never across an await.
        self.by_model.read().unwrap_or_else(PoisonError::into_inner).get(model).cloned()
    }

    /// Whether none is known yet.
    pub fn is_empty(&self) -> bool {
        self.by_model.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes a document that was pushed, and writes it down.
    ///
    /// # Errors
    /// When the document is damaged; nothing changes then. Trouble with the disk is only logged,
    /// since the calibration can be used all the same.
    pub fn accept(
        &self,
        bytes: &[u8],
        levels: HashMap<String, f64>,
    ) -> Result<Arc<Active>, DocumentError> {
        let active = self.keep(bytes, levels)?;
        let name = ContentHash::of(active.document.model.as_bytes()).short();
        let fresh = self.folder.join(format!("{name}.part"));
        let written = fs::write(&fresh, bytes)
            .and_then(|()| fs::rename(&fresh, self.folder.join(format!("{name}.json"))));
        if let Err(error) = written {
            tracing::warn!(%error, "a calibration could not be written down");
        }
        Ok(active)
    }

    /// Takes the levels of a model's calibration, if it is still that one.
    pub fn set_levels(&self, model: &str, id: &str, levels: HashMap<String, f64>) {
        let mut by_model = self.by_model.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = by_model.get_mut(model).filter(|active| active.id == id) {
            let document = active.document.clone();
            *active = Arc::new(Active { id: id.to_owned(), document, levels });
        }
    }

    fn keep(
        &self,
        bytes: &[u8],
        levels: HashMap<String, f64>,
    ) -> Result<Arc<Active>, DocumentError> {
        let document = Arc::new(Document::from_json(bytes)?);
        let model = document.model.clone();
        let active = Arc::new(Active { id: ContentHash::of(bytes).short(), document, levels });
        let mut by_model = self.by_model.write().unwrap_or_else(PoisonError::into_inner);
        by_model.insert(model, active.clone());
        Ok(active)
    }
}
