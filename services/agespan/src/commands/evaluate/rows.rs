//! The faces of an estimator's report as CSV.

use std::path::Path;

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::evaluator::v1 as proto;
use anyhow::{Context, Result};

use crate::commands::Session;
use crate::show;

const COLUMNS: [&str; 10] = [
    "path",
    "true_age",
    "true_gender",
    "race",
    "age",
    "lower",
    "upper",
    "group",
    "gender",
    "probability_female",
];

/// Writes every face of a report.
pub(crate) async fn write(session: &Session, name: String, path: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut rows = csv::Writer::from_path(path).with_context(cannot)?;
    rows.write_record(COLUMNS).with_context(cannot)?;
    let request = proto::StreamReportRowsRequest { name };
    let mut batches = session.client.evaluator().stream_report_rows(request).await?.into_inner();
    while let Some(batch) = batches.message().await? {
        for face in &batch.faces {
            rows.write_record(record(face)).with_context(cannot)?;
        }
    }
    rows.flush().with_context(cannot)
}

fn record(face: &proto::EvaluatedFace) -> [String; 10] {
    [
        face.path.clone(),
        face.true_age.to_string(),
        word(face.true_gender()),
        face.race.clone(),
        face.age.to_string(),
        face.lower.to_string(),
        face.upper.to_string(),
        face.group.clone(),
        word(face.gender()),
        face.probability_female.to_string(),
    ]
}

/// Empty where it is not known.
pub(crate) fn word(gender: Gender) -> String {
    show::gender(gender).unwrap_or_default().to_owned()
}
