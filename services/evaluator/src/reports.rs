//! Reports in the artifact store, named by their content.

use agespan_jobs::JobFailure;
use agespan_service::status::chain;
use agespan_storage::{Artifact, Storage, StorageError};
use serde::{Deserialize, Serialize};

use crate::cross_check::CrossCheck;
use crate::diagnostics::Diagnostics;
use crate::images::ImagesReport;
use crate::metrics::{AgeCheck, Comparison, Metrics, Row};

const CONTENTS: &str = "reports/contents";
const RECORDS: &str = "reports/records";
const ROWS: &str = "reports/rows";

/// What was measured on what. The same inputs give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// "datasets/{id}".
    pub dataset: String,
    /// SHA-256 of the split, in hexadecimal.
    pub split_hash: String,
    /// "models/{id}".
    pub model: String,
    /// "calibrations/{id}".
    pub calibration: String,
    /// Coverage that was asked for.
    pub coverage: f64,
    /// Faces that the estimator refused.
    pub refused: u64,
    /// Faces that are in no figure, since their age label is a range.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub range_labelled: u64,
    /// The figures.
    pub metrics: Metrics,
    /// "At least T?" asked about the faces.
    #[serde(default)]
    pub age_checks: Vec<AgeCheck>,
    /// Against another model or calibration, where that was asked for.
    #[serde(default)]
    pub comparison: Option<Comparison>,
    /// Every face; none in a report of a version that did not keep them.
    #[serde(default)]
    pub rows: Option<Artifact>,
    /// What they may hide; none in a report of a version that did not look.
    #[serde(default)]
    pub diagnostics: Option<Diagnostics>,
}

/// A report of any kind. They are told apart by their fields: the bytes of estimators' reports are
/// what they were before there were others, and so are their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnyReport {
    /// Of the estimator on a split.
    Estimator(Box<Report>),
    /// Of drawn faces.
    CrossCheck(Box<CrossCheck>),
    /// Of two sets of images.
    Images(Box<ImagesReport>),
}

/// The name of a report is the hash of its bytes, which are what they were before ranges.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What is known of a report without reading it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The beginning of the content's hash.
    pub id: String,
    content: Artifact,
    /// When it was first made.
    pub created: jiff::Timestamp,
}

/// Why a report cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// There is no such report.
    #[error("there is no report {0}; list the reports, or evaluate")]
    NotFound(String),
    /// It cannot be read or written as JSON.
    #[error("the report cannot be read or written")]
    Json(#[from] serde_json::Error),
    /// The store failed.
    #[error("the reports cannot be reached")]
    Storage(#[from] StorageError),
}

/// The reports of a store.
#[derive(Clone, Debug)]
pub struct Reports {
    storage: Storage,
}

impl Reports {
    /// In this store.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Stores a report, once, and gives its id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn insert(&self, report: &AnyReport) -> Result<String, ReportError> {
        let json = serde_json::to_vec_pretty(report)?;
        let content = self.storage.put_artifact(CONTENTS, "json", json.into()).await?;
        let id = content.hash.short();
        let record = Record { id: id.clone(), content, created: jiff::Timestamp::now() };
        self.storage.keep_json(&path(&id), record).await?;
        Ok(id)
    }

    /// Stores what a job found, and gives the report's name.
    pub(crate) async fn publish(&self, report: AnyReport) -> Result<String, JobFailure> {
        let id = self.insert(&report).await;
        let id = id.map_err(|error| JobFailure::retryable("STORE", chain(&error)))?;
        Ok(format!("reports/{id}"))
    }

    /// Stores the faces of a report, once.
    pub(crate) async fn insert_rows(&self, rows: &[Row]) -> Result<Artifact, JobFailure> {
        let json =
            serde_json::to_vec(rows).map_err(|error| JobFailure::permanent("ROWS", error))?;
        let stored = self.storage.put_artifact(ROWS, "json", json.into()).await;
        stored.map_err(|error| JobFailure::retryable("STORE", chain(&error)))
    }

    /// The faces of a report; none where they were not kept.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn rows(&self, report: &Report) -> Result<Vec<Row>, ReportError> {
        let Some(rows) = &report.rows else { return Ok(Vec::new()) };
        Ok(serde_json::from_slice(&self.storage.get_artifact(rows).await?)?)
    }

    /// A report by id.
    ///
    /// # Errors
    /// When it is not there, or the store fails.
    pub async fn get(&self, id: &str) -> Result<(Record, AnyReport), ReportError> {
        let record: Record =
            self.storage.get_json(&path(id)).await.map_err(|error| match error {
                StorageError::NotFound { .. } => ReportError::NotFound(id.to_owned()),
                other => other.into(),
            })?;
        let report = serde_json::from_slice(&self.storage.get_artifact(&record.content).await?)?;
        Ok((record, report))
    }

    /// All records, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Record>, ReportError> {
        let mut records: Vec<Record> = self.storage.all_json(RECORDS).await?;
        records.sort_by(|left, right| (right.created, &right.id).cmp(&(left.created, &left.id)));
        Ok(records)
    }
}

fn path(id: &str) -> String {
    format!("{RECORDS}/{id}.json")
}
