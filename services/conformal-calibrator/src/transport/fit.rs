//! FitCalibration: rows from the caller, or from a data set and a model.

use agespan_conformal::{AgeSupport, Calibration, CalibrationSpec, Document, FitError, Prediction};
use agespan_proto::calibrator::v1 as proto;
use agespan_proto::calibrator::v1::fit_calibration_request::Part;
use agespan_service::status;
use tonic::{Status, Streaming};

use super::convert;
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
    let gathered = if asked.dataset.is_empty() {
        brought(parts, asked.model, spec).await?
    } else {
        peers.gather(&asked.dataset, &asked.model).await?
    };
    let calibration = Calibration::fit(spec, AgeSupport::default(), gathered.rows)
        .map_err(|error| fit_error(&error))?;
    Ok(Document { model: gathered.model, split_hash: gathered.split_hash, calibration })
}

async fn brought(
    mut parts: Streaming<proto::FitCalibrationRequest>,
    model: String,
    spec: CalibrationSpec,
) -> Result<Gathered, Status> {
    if model.is_empty() {
        let message = "give the predictor a name of your choosing, or name a data set";
        return Err(status::invalid("spec.model", "MODEL_MISSING", message));
    }
    let mut rows: Vec<(Prediction, f64)> = Vec::new();
    while let Some(message) = parts.message().await? {
        let Some(Part::Predictions(batch)) = message.part else {
            return Err(status::invalid("spec", "SPEC_REPEATED", "the spec comes first, and once"));
        };
        for row in batch.predictions {
            let field = format!("predictions[{}]", rows.len());
            let prediction = convert::prediction(&field, row.prediction, row.sigma, spec.score)?;
            rows.push((prediction, row.truth));
        }
    }
    Ok(Gathered { model, split_hash: String::new(), rows })
}

fn fit_error(error: &FitError) -> Status {
    status::invalid("predictions", "UNFIT_PREDICTIONS", status::chain(error))
}
