//! Imports as jobs.

use std::path::PathBuf;
use std::sync::Arc;

use agespan_jobs::{Handler, JobContext, JobFailure, Jobs, Worker};
use agespan_service::status;
use agespan_storage::Storage;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::import::{ImportError, ImportOptions, Watch, import};
use crate::layout::{Format, LayoutError};
use crate::record::{self, RecordError};
use crate::source::SourceError;
use crate::split::Fractions;

/// The kind of the jobs.
pub const IMPORT_KIND: &str = "import-dataset";

/// What a job is to import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportPayload {
    /// The name to be.
    pub dataset_id: String,
    /// Directory, zip or tar.
    pub source: PathBuf,
    /// How it is laid out.
    #[serde(default)]
    pub format: Format,
    /// Label tables that are not to be searched for.
    #[serde(default)]
    pub tables: Vec<PathBuf>,
    /// Decides the split.
    pub seed: u64,
    /// How large the parts are.
    #[serde(default)]
    pub fractions: Fractions,
    /// The caller's name for the request. It tells a repeated request from a new one after the
    /// dataset is there, when the job store is not asked to make a job any more.
    #[serde(default)]
    pub request_id: String,
}

/// A worker for imports: one at a time, since one import already keeps every core busy.
pub fn worker(storage: Storage, jobs: Jobs) -> Worker {
    Worker::new(jobs, IMPORT_KIND, Arc::new(Importer { storage }), 1)
}

struct Importer {
    storage: Storage,
}

#[async_trait]
impl Handler for Importer {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let payload: ImportPayload = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("INVALID_PAYLOAD", error))?;
        let id = payload.dataset_id.clone();
        let (storage, seen, runtime) = (self.storage.clone(), context.clone(), Handle::current());
        let blocking = move || import_watched(&payload, &storage, &runtime, &seen);
        let imported = tokio::task::spawn_blocking(blocking)
            .await
            .map_err(|error| JobFailure::retryable("IMPORT_PANICKED", error))?;
        match imported {
            Ok(()) => {}
            Err(error @ ImportError::AlreadyExists(_)) => {
                self.accept_own(&id, context.job_id(), &error).await?;
            }
            Err(error) => return Err(failure(&error)),
        }
        Ok(format!("datasets/{id}"))
    }
}

impl Importer {
    /// An earlier attempt may have died between creating the record and saying so.
    async fn accept_own(&self, id: &str, job: &str, error: &ImportError) -> Result<(), JobFailure> {
        let record =
            record::load(&self.storage, id).await.map_err(|error| failure(&error.into()))?;
        if record.job.as_deref() == Some(job) { Ok(()) } else { Err(failure(error)) }
    }
}

fn import_watched(
    payload: &ImportPayload,
    storage: &Storage,
    runtime: &Handle,
    context: &JobContext,
) -> Result<(), ImportError> {
    let options = ImportOptions {
        format: payload.format.clone(),
        tables: payload.tables.clone(),
        seed: payload.seed,
        fractions: payload.fractions,
        job: Some(context.job_id().to_owned()),
        ..Default::default()
    };
    let watch = Watch {
        progress: &mut |done, total, step| context.note_progress(done, total.unwrap_or(0), step),
        cancelled: &|| context.cancelled().is_cancelled(),
    };
    import(&payload.source, &payload.dataset_id, &options, storage, runtime, watch).map(drop)
}

/// Storage comes back; a source stays what it is.
fn failure(error: &ImportError) -> JobFailure {
    let message = status::chain(error);
    let reason = match error {
        ImportError::Storage(_)
        // Deleted between two looks: another attempt finds the name free.
        | ImportError::Record(RecordError::Storage(_) | RecordError::NotFound(_)) => {
            return JobFailure::retryable("STORAGE", message);
        }
        ImportError::Cancelled => return JobFailure::retryable("CANCELLED", message),
        ImportError::Record(RecordError::Name(_)) => "DATASET_NAME",
        ImportError::AlreadyExists(_) => "ALREADY_EXISTS",
        ImportError::Fractions(_) => "FRACTIONS",
        ImportError::Source(error) => source_reason(error),
        ImportError::Layout(LayoutError::Source(error)) => source_reason(error),
        ImportError::Layout(_) => "LABEL_TABLE",
        ImportError::NothingUsable { .. } => "NOTHING_USABLE",
        ImportError::Changed { .. } => "SOURCE_CHANGED",
        ImportError::Pack { .. } => "UNPACKABLE_FILE",
        ImportError::Manifest(_) => "MANIFEST",
    };
    JobFailure::permanent(reason, message)
}

fn source_reason(error: &SourceError) -> &'static str {
    match error {
        SourceError::Unreadable { .. } => "SOURCE_UNREADABLE",
        SourceError::UnknownContainer { .. } => "UNKNOWN_CONTAINER",
        SourceError::Damaged { .. } => "DAMAGED_ARCHIVE",
        SourceError::Unsafe { .. } => "UNSAFE_ENTRY",
        SourceError::TooManyFiles { .. } => "TOO_MANY_FILES",
    }
}
