//! Models in the artifact store.
//!
//! `models/weights/{sha256}.safetensors` are the weights; `models/records/{id}.json` say what they
//! are; `models/active.json` names the active one.

use agespan_models::{Backbone, shipped};
use agespan_storage::{Artifact, Storage, StorageError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::engine::Shape;
use crate::training::{EpochFigures, TrainSpec, Validation};

const WEIGHTS: &str = "models/weights";
const RECORDS: &str = "models/records";
const ACTIVE: &str = "models/active.json";

/// The shipped model's backbone, which trains where none is named.
pub const SHIPPED_BACKBONE: Backbone = Backbone::MobileNetV1;

/// What there is to know of a model beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// "datasets/{id}" that it learned from.
    pub dataset: String,
    /// That data set's content hash.
    pub dataset_hash: String,
    /// The settings of the run.
    pub spec: TrainSpec,
    /// Figures on the validation split, and the gender threshold chosen there.
    pub validation: Validation,
    /// Figures of all epochs; none where they were not kept.
    #[serde(default)]
    pub history: Vec<EpochFigures>,
    /// Figures of all steps as a TensorBoard file.
    #[serde(default)]
    pub events: Option<Artifact>,
}

impl Card {
    /// The network's shape.
    pub fn shape(&self) -> Shape {
        let TrainSpec { net, input, mirrored, .. } = self.spec;
        Shape { net, input, mirrored, temperature: self.validation.temperature }
    }
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The beginning of the weights' hash.
    pub id: String,
    /// The weights.
    pub weights: Artifact,
    /// What it is.
    pub card: Card,
    /// When it was registered.
    pub created: jiff::Timestamp,
    /// Whether it came with the program.
    pub shipped: bool,
}

#[derive(Serialize, Deserialize)]
struct Active {
    id: String,
}

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// There is no such model.
    #[error("there is no model {0}; list the models, or train one")]
    NotFound(String),
    /// The card that comes with the program cannot be read.
    #[error("the shipped model's card cannot be read; the program was not built as released")]
    ShippedCard(#[source] serde_json::Error),
    /// The store failed.
    #[error("the models cannot be reached")]
    Storage(#[from] StorageError),
}

/// The models of a store.
#[derive(Clone, Debug)]
pub struct Registry {
    storage: Storage,
}

impl Registry {
    /// In this store.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Stores a model, once: the same weights get the same record again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn insert(
        &self,
        weights: Bytes,
        card: Card,
        shipped: bool,
    ) -> Result<Record, ModelError> {
        let weights = self.storage.put_artifact(WEIGHTS, "safetensors", weights).await?;
        let id = weights.hash.short();
        let record = Record { id, weights, card, created: jiff::Timestamp::now(), shipped };
        Ok(self.storage.keep_json(&path(&record.id), record).await?)
    }

    /// Stores the model that comes with the program, and activates it where none is active.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn install_shipped(&self) -> Result<(), ModelError> {
        let card = serde_json::from_slice(shipped::CARD).map_err(ModelError::ShippedCard)?;
        let record = self.insert(Bytes::from_static(shipped::WEIGHTS), card, true).await?;
        match self.storage.create_json(ACTIVE, &Active { id: record.id }).await {
            Ok(()) | Err(StorageError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A model's record.
    ///
    /// # Errors
    /// When it is not there, or the store fails.
    pub async fn record(&self, id: &str) -> Result<Record, ModelError> {
        self.storage.get_json(&path(id)).await.map_err(|error| match error {
            StorageError::NotFound { .. } => ModelError::NotFound(id.to_owned()),
            other => other.into(),
        })
    }

    /// A model's weights, whose hash was checked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn weights(&self, record: &Record) -> Result<Bytes, ModelError> {
        Ok(self.storage.get_artifact(&record.weights).await?)
    }

    /// The figures of the steps of a model's training; empty where they were not kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn events(&self, record: &Record) -> Result<Bytes, ModelError> {
        Ok(match &record.card.events {
            Some(events) => self.storage.get_artifact(events).await?,
            None => Bytes::new(),
        })
    }

    /// All models, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Record>, ModelError> {
        let mut records: Vec<Record> = self.storage.all_json(RECORDS).await?;
        records.sort_by(|left, right| (right.created, &right.id).cmp(&(left.created, &left.id)));
        Ok(records)
    }

    /// The active model's id.
    ///
    /// # Errors
    /// When none is active, or the store fails.
    pub async fn active(&self) -> Result<String, ModelError> {
        Ok(self.storage.get_json::<Active>(ACTIVE).await?.id)
    }

    /// Makes a model the active one.
    ///
    /// # Errors
    /// When it is not there, or the store fails.
    pub async fn activate(&self, id: &str) -> Result<Record, ModelError> {
        let record = self.record(id).await?;
        self.storage.put_json(ACTIVE, &Active { id: record.id.clone() }).await?;
        Ok(record)
    }
}

fn path(id: &str) -> String {
    format!("{RECORDS}/{id}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_card_is_read_and_is_of_the_backbone_that_trains_by_default() {
        let card: Card = serde_json::from_slice(shipped::CARD).unwrap();
        assert_eq!(card.spec.net.backbone, SHIPPED_BACKBONE);
    }
}
