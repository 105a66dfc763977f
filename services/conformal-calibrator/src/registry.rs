//! Calibrations in the artifact store.
//!
//! `calibrations/documents/{sha256}.json` are the documents; `calibrations/records/{id}.json` name
//! them; `calibrations/active/{model}.json` hold, for each model, the calibrations that were
//! activated, the present one last, so that a roll-back is one step back.

use agespan_conformal::{Document, DocumentError};
use agespan_storage::{Artifact, ContentHash, Storage, StorageError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

const DOCUMENTS: &str = "calibrations/documents";
const RECORDS: &str = "calibrations/records";
const ACTIVE: &str = "calibrations/active";

/// The calibration of the model that comes with the program.
const SHIPPED: &[u8] = include_bytes!("../shipped/calibration.json");

/// What is known of a calibration without reading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The beginning of the document's hash.
    pub id: String,
    /// Whose predictions it is for.
    pub model: String,
    /// The document.
    pub document: Artifact,
    /// When it was first fitted.
    pub created: jiff::Timestamp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Activations {
    model: String,
    /// Oldest first; the last one is active.
    ids: Vec<String>,
}

/// Why a calibration cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no such calibration.
    #[error("there is no calibration {0}; list the calibrations, or fit one")]
    NotFound(String),
    /// Nothing to go back to.
    #[error("{0} had no calibration before the present one; activate one by name")]
    NothingBefore(String),
    /// The stored document cannot be understood.
    #[error("the calibration {id} cannot be read")]
    Document {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// The store failed.
    #[error("the calibrations cannot be reached")]
    Storage(#[from] StorageError),
}

/// The calibrations of a store.
#[derive(Clone, Debug)]
pub struct Registry {
    storage: Storage,
}

impl Registry {
    /// In this store.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Stores a document, once: the same document gets the same record again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn insert(&self, document: &Document) -> Result<Record, RegistryError> {
        let json = document
            .to_json()
            .map_err(|source| RegistryError::Document { id: document.model.clone(), source })?;
        let artifact = self.storage.put_artifact(DOCUMENTS, "json", Bytes::from(json)).await?;
        let record = Record {
            id: artifact.hash.short(),
            model: document.model.clone(),
            document: artifact,
            created: jiff::Timestamp::now(),
        };
        Ok(self.storage.keep_json(&record_path(&record.id), record).await?)
    }

    /// Stores the calibration that comes with the program, and activates it where its model has
    /// none.
    ///
    /// # Errors
    /// When the store fails, or the program was not built as released.
    pub async fn install_shipped(&self) -> Result<(), RegistryError> {
        let document = Document::from_json(SHIPPED)
            .map_err(|source| RegistryError::Document { id: "shipped".to_owned(), source })?;
        let record = self.insert(&document).await?;
        if self.activations(&record.model).await?.ids.is_empty() {
            self.activate(&record.id).await?;
        }
        Ok(())
    }

    /// A calibration's record.
    ///
    /// # Errors
    /// When it is not there, or the store fails.
    pub async fn record(&self, id: &str) -> Result<Record, RegistryError> {
        self.storage.get_json(&record_path(id)).await.map_err(|error| match error {
            StorageError::NotFound { .. } => RegistryError::NotFound(id.to_owned()),
            other => other.into(),
        })
    }

    /// A calibration's document, as bytes whose hash was checked, and as what they say.
    ///
    /// # Errors
    /// When the store fails or the document cannot be understood.
    pub async fn document(&self, record: &Record) -> Result<(Bytes, Document), RegistryError> {
        let bytes = self.storage.get_artifact(&record.document).await?;
        let document = Document::from_json(&bytes)
            .map_err(|source| RegistryError::Document { id: record.id.clone(), source })?;
        Ok((bytes, document))
    }

    /// All records, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Record>, RegistryError> {
        let mut records: Vec<Record> = self.storage.all_json(RECORDS).await?;
        records.sort_by(|left, right| (right.created, &right.id).cmp(&(left.created, &left.id)));
        Ok(records)
    }

    /// Makes a calibration the active one of its model.
    ///
    /// # Errors
    /// When it is not there, or the store fails.
    pub async fn activate(&self, id: &str) -> Result<Record, RegistryError> {
        let record = self.record(id).await?;
        let mut activations = self.activations(&record.model).await?;
        if activations.ids.last() != Some(&record.id) {
            activations.ids.push(record.id.clone());
            self.storage.put_json(&active_path(&record.model), &activations).await?;
        }
        Ok(record)
    }

    /// Makes the calibration that was active before the active one again.
    ///
    /// # Errors
    /// When there was none, or the store fails.
    pub async fn roll_back(&self, model: &str) -> Result<Record, RegistryError> {
        let mut activations = self.activations(model).await?;
        activations.ids.pop();
        let Some(id) = activations.ids.last() else {
            return Err(RegistryError::NothingBefore(model.to_owned()));
        };
        let record = self.record(id).await?;
        self.storage.put_json(&active_path(model), &activations).await?;
        Ok(record)
    }

    /// The active calibration of each model.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn active(&self) -> Result<Vec<Record>, RegistryError> {
        let mut records = Vec::new();
        for path in self.storage.list(ACTIVE).await? {
            let activations: Activations = self.storage.get_json(&path).await?;
            if let Some(id) = activations.ids.last() {
                records.push(self.record(id).await?);
            }
        }
        Ok(records)
    }

    async fn activations(&self, model: &str) -> Result<Activations, RegistryError> {
        match self.storage.get_json(&active_path(model)).await {
            Ok(activations) => Ok(activations),
            Err(StorageError::NotFound { .. }) => {
                Ok(Activations { model: model.to_owned(), ids: Vec::new() })
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn record_path(id: &str) -> String {
    format!("{RECORDS}/{id}.json")
}

/// A model's name comes from callers and may hold anything, so the path holds its hash.
fn active_path(model: &str) -> String {
    format!("{ACTIVE}/{}.json", ContentHash::of(model.as_bytes()).short())
}
