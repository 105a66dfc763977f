//! PredictShiftedIntervals: all rows are the caller's, and nothing is stored.

use agespan_conformal::{
    AgeSupport, CalibrationSpec, DomainClassifier, Grouping, Prediction, ShiftError, Shifted,
};
use agespan_proto::age::v1::{AgeInterval, IntervalStatus};
use agespan_proto::calibrator::v1 as proto;
use agespan_service::{status, transport};
use tonic::Status;

use super::convert::{self, Brought};

const MOST: usize = 10_000;

/// Intervals for faces of a new kind, by rows of the old one.
///
/// # Errors
/// INVALID_ARGUMENT for rows that are none, or too few or too many.
pub fn predict(
    request: &proto::PredictShiftedIntervalsRequest,
) -> Result<proto::PredictShiftedIntervalsResponse, Status> {
    let coverage = transport::coverage(request.coverage)?;
    let asked = proto::CalibrationSpec {
        score: request.score,
        grouping: proto::Grouping::None.into(),
        ..Default::default()
    };
    let spec = CalibrationSpec { grouping: Grouping::None, ..convert::spec(&asked)? };
    let unlabelled = |field: &str, rows: &[proto::UnlabelledPrediction]| {
        count(field, rows.len())?;
        let check = |(index, row): (usize, &proto::UnlabelledPrediction)| {
            Brought::from(row).check(&format!("{field}[{index}]"), &spec)
        };
        rows.iter().enumerate().map(check).collect::<Result<Vec<Prediction>, Status>>()
    };
    let (source, target) =
        (unlabelled("source", &request.source)?, unlabelled("target", &request.target)?);
    let predictions = unlabelled("predictions", &request.predictions)?;
    count("calibration", request.calibration.len())?;
    let support = AgeSupport::default();
    let labelled = |(index, row): (usize, &proto::LabelledPrediction)| {
        let field = format!("calibration[{index}]");
        if !support.contains(row.truth) {
            let message = format!("the true age must be 0 to 116 years, got {}", row.truth);
            return Err(status::invalid(&format!("{field}.truth"), "TRUTH", message));
        }
        Ok((Brought::from(row).check(&field, &spec)?, row.truth))
    };
    let rows = request.calibration.iter().enumerate().map(labelled);
    let rows = rows.collect::<Result<Vec<_>, Status>>()?;

    let classifier = DomainClassifier::fit(&source, &target).map_err(|error| refused(&error))?;
    let shifted =
        Shifted::new(spec, support, classifier, &rows).map_err(|error| refused(&error))?;
    let interval = |prediction: &Prediction| {
        let found = shifted.interval(prediction, coverage);
        let status = match found.sufficient {
            true => IntervalStatus::Calibrated,
            false => IntervalStatus::InsufficientCalibration,
        };
        AgeInterval {
            lower: found.lower,
            upper: found.upper,
            coverage: coverage.as_f64(),
            group: "shifted".to_owned(),
            group_size: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            status: status.into(),
        }
    };
    Ok(proto::PredictShiftedIntervalsResponse {
        intervals: predictions.iter().map(interval).collect(),
        effective_sample_size: shifted.effective_sample_size(),
    })
}

fn count(field: &str, count: usize) -> Result<(), Status> {
    match count {
        1..=MOST => Ok(()),
        _ => Err(status::invalid(field, "COUNT", format!("send 1 to {MOST}, not {count}"))),
    }
}

fn refused(error: &ShiftError) -> Status {
    let field = match error {
        ShiftError::TooFew(_) => "source, target",
        ShiftError::Rows(_) => "calibration",
    };
    status::invalid(field, "UNFIT_PREDICTIONS", status::chain(error))
}
