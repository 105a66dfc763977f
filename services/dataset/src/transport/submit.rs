//! ImportDataset: what can be known at once is checked at once, so that the caller gets a status
//! and not a job that fails.
//!
//! A repeated request must get its first job even though the dataset is there by then. The record
//! names the job that made it, and that job's payload holds the request id: the same payload, with
//! a request id, is the same request. Whoever repeats without one gets ALREADY_EXISTS.

use std::io;
use std::path::{Path, PathBuf};

use agespan_jobs::{Jobs, JobsError};
use agespan_proto::dataset::v1 as proto;
use agespan_proto::job::v1::Job;
use agespan_service::{status, transport};
use agespan_storage::Storage;
use tonic::{Code, Status};

use super::convert;
use crate::layout::Format;
use crate::record::{self, DatasetRecord, RecordError};
use crate::split::Fractions;
use crate::worker::{IMPORT_KIND, ImportPayload};

pub(super) async fn submit(
    storage: &Storage,
    jobs: &Jobs,
    request: proto::ImportDatasetRequest,
) -> Result<Job, Status> {
    let payload = payload(request)?;
    match record::load(storage, &payload.dataset_id).await {
        Ok(record) => check_repeated(jobs, &record, &payload).await?,
        Err(RecordError::NotFound(_)) => check_source(&payload.source).await?,
        Err(error) => return Err(convert::record_error(error)),
    }
    transport::submit(jobs, IMPORT_KIND, &payload, payload.request_id.clone()).await
}

/// The job that a request asks for.
///
/// # Errors
/// INVALID_ARGUMENT with the field.
pub fn payload(request: proto::ImportDatasetRequest) -> Result<ImportPayload, Status> {
    if let Err(error) = record::path(&request.dataset_id) {
        return Err(status::invalid("dataset_id", "DATASET_NAME", error.to_string()));
    }
    let format = convert::format(request.format, request.columns)?;
    Ok(ImportPayload {
        tables: tables(&format, request.tables)?,
        format,
        dataset_id: request.dataset_id,
        source: absolute(&request.source)?,
        seed: request.seed,
        fractions: fractions(request.fractions)?,
        request_id: request.request_id,
    })
}

fn fractions(fractions: Option<proto::SplitFractions>) -> Result<Fractions, Status> {
    let Some(given) = fractions else { return Ok(Fractions::default()) };
    let proto::SplitFractions { train, validation, calibration, test } = given;
    let fractions = Fractions { train, validation, calibration, test };
    match fractions.check() {
        Ok(()) => Ok(fractions),
        Err(error) => Err(status::invalid("fractions", "FRACTIONS", error.to_string())),
    }
}

fn tables(format: &Format, tables: Vec<String>) -> Result<Vec<PathBuf>, Status> {
    match format {
        Format::Table(_) if tables.is_empty() => {
            let message = "name the label table: a path inside the source or on the server";
            Err(status::invalid("tables", "TABLE_MISSING", message))
        }
        Format::UtkFace | Format::AgeDb | Format::FgNet if !tables.is_empty() => {
            let message = "labels of this format are in file names; leave the tables out";
            Err(status::invalid("tables", "TABLES", message))
        }
        _ => Ok(tables.into_iter().map(PathBuf::from).collect()),
    }
}

/// The worker may run in another folder.
fn absolute(source: &str) -> Result<PathBuf, Status> {
    if source.is_empty() || source.contains('\0') {
        let message = "give a folder, zip, tar or tar.gz on the server's machine";
        return Err(status::invalid("source", "SOURCE", message));
    }
    std::path::absolute(source)
        .map_err(|error| status::invalid("source", "SOURCE", error.to_string()))
}

async fn check_repeated(
    jobs: &Jobs,
    record: &DatasetRecord,
    payload: &ImportPayload,
) -> Result<(), Status> {
    let bytes = serde_json::to_vec(payload).map_err(|error| status::internal(&error))?;
    if let (Some(job), false) = (&record.job, payload.request_id.is_empty()) {
        match jobs.payload(job).await {
            Ok(first) if first == bytes => return Ok(()),
            Ok(_) | Err(JobsError::NotFound { .. }) => {}
            Err(error) => return Err(status::from_jobs(error)),
        }
    }
    let message = format!(
        "there is a dataset {} already: choose another name, or delete it first",
        record.name
    );
    Err(status::new(Code::AlreadyExists, "ALREADY_EXISTS", message))
}

async fn check_source(source: &Path) -> Result<(), Status> {
    let path = source.display().to_string();
    match tokio::fs::metadata(source).await {
        Ok(_) => Ok(()),
        Err(error) if is_absent(&error) => {
            let message = format!("there is no {path} on the server's machine");
            Err(status::not_found("source", &path, message))
        }
        Err(error) => Err(status::precondition(
            "SOURCE_UNREADABLE",
            &path,
            format!("{path} cannot be read by the server: {error}"),
        )),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}
