//! FitCalibration: rows from the caller, or from a data set and a model.

use agespan_conformal::{AgeSupport, CalibrationSpec, Document, DocumentFitting, FitError, Row};
use agespan_proto::calibrator::v1 as proto;
use agespan_proto::calibrator::v1::fit_calibration_request::Part;
use agespan_service::status;
use tonic::{Status, Streaming};

use super::convert::{self, Brought};
use super::peers::{Gathered, Peers};

/// Reads the whole stream and fits; nothing is stored yet.
pub(super) async fn fit(
    mut parts: Streaming<proto::FitCalibrationRequest>,
    peers: &Peers,
) -> Result<Document, Status> {
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
        return brought(parts, asked.model, spec).await;
    }
    let mut fitting = DocumentFitting::new(spec, AgeSupport::default());
    let Gathered { model, split_hash, rows } = peers.gather(&asked.dataset, &asked.model).await?;
    for row in &rows {
        fitting.add(row).map_err(|error| fit_error(&error))?;
    }
    fitting.finish(model, split_hash).map_err(|error| fit_error(&error))
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
