//! FitCalibration: rows from the caller, or from a data set and a model.

use agespan_conformal::{AgeSupport, CalibrationSpec, Document, DocumentFitting, FitError, Row};
use agespan_proto::calibrator::v1 as proto;
use agespan_proto::calibrator::v1::fit_calibration_request::Part;
use agespan_service::status;
use tonic::{Status, Streaming};

use super::convert::{self, Brought};
use super::peers::{Gathered, Peers};

/// A calibration, and what became of faces whose age label is a range.
pub(super) struct Fitted {
    pub(super) document: Document,
    pub(super) ranges: u32,
    pub(super) skipped: u32,
}

impl From<Document> for Fitted {
    fn from(document: Document) -> Self {
        Self { document, ranges: 0, skipped: 0 }
    }
}

/// Reads the whole stream and fits; nothing is stored yet.
pub(super) async fn fit(
    mut parts: Streaming<proto::FitCalibrationRequest>,
    peers: &Peers,
) -> Result<Fitted, Status> {
    let first = parts.message().await?.and_then(|message| message.part);
    let Some(Part::Spec(asked)) = first else {
        return Err(status::invalid(
            "spec",
            "SPEC_MISSING",
            "the first message must have the spec",
        ));
    };
    let spec = convert::spec(&asked)?;
    if asked.dataset.is_empty() {
        return Ok(brought(parts, asked.model, spec).await?.into());
    }
    let mut fitting = DocumentFitting::new(spec, AgeSupport::default());
    let gathered = peers.gather(&asked.dataset, &asked.model, spec).await?;
    let Gathered { model, split_hash, rows, ranges, skipped } = gathered;
    for row in &rows {
        fitting.add(row).map_err(|error| fit_error(&error))?;
    }
    let document = fitting.finish(model, split_hash).map_err(|error| fit_error(&error))?;
    Ok(Fitted { document, ranges, skipped })
}

/// Rows of the caller's. Each is forgotten as soon as it is scored.
async fn brought(
    mut parts: Streaming<proto::FitCalibrationRequest>,
    model: String,
    spec: CalibrationSpec,
) -> Result<Document, Status> {
    if model.is_empty() {
        let message = "give the predictor a name of your choosing, or name a data set";
        return Err(status::invalid("spec.model", "MODEL_MISSING", message));
    }
    let mut fitting = DocumentFitting::new(spec, AgeSupport::default());
    let mut count = 0;
    while let Some(message) = parts.message().await? {
        let Some(Part::Predictions(batch)) = message.part else {
            return Err(status::invalid("spec", "SPEC_REPEATED", "the spec comes first, and once"));
        };
        for row in batch.predictions {
            let field = format!("predictions[{count}]");
            let prediction = Brought::from(&row).check(&field, &spec)?;
            let row = Row { prediction, truth: row.truth, gender: None };
            fitting.add(&row).map_err(|error| fit_error(&error))?;
            count += 1;
        }
    }
    fitting.finish(model, String::new()).map_err(|error| fit_error(&error))
}

fn fit_error(error: &FitError) -> Status {
    status::invalid("predictions", "UNFIT_PREDICTIONS", status::chain(error))
}
