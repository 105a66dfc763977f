//! Between the protocol's words and the domain's.

use agespan_conformal::{
    Calibration, CalibrationSpec, Coverage, Document, Grouping, MIN_GROUP, Prediction, Score,
};
use agespan_proto::calibrator::v1 as proto;
use agespan_service::{status, transport::timestamp};
use tonic::Status;

use crate::{Record, RegistryError};

pub(super) fn spec(spec: &proto::CalibrationSpec) -> Result<CalibrationSpec, Status> {
    let unknown = |field| status::invalid(field, "UNKNOWN_ENUM", "not a value of the enum");
    let score = match proto::Score::try_from(spec.score) {
        Ok(proto::Score::Unspecified | proto::Score::Sigma) => Score::Sigma,
        Ok(proto::Score::Absolute) => Score::Absolute,
        Ok(proto::Score::SquareRoot) => Score::SquareRoot,
        Err(_) => return Err(unknown("spec.score")),
    };
    let grouping = match proto::Grouping::try_from(spec.grouping) {
        Ok(proto::Grouping::Unspecified | proto::Grouping::PredictedDecade) => {
            Grouping::PredictedDecade
        }
        Ok(proto::Grouping::None) => Grouping::None,
        Err(_) => return Err(unknown("spec.grouping")),
    };
    let min_group = match spec.min_group_size {
        0 => MIN_GROUP,
        size => size as usize,
    };
    Ok(CalibrationSpec { min_group, ..CalibrationSpec::new(score, grouping) })
}

/// A prediction of the caller's. Sigma is needed only where the score divides by it.
pub(super) fn prediction(
    field: &str,
    mean: f64,
    sigma: Option<f64>,
    score: Score,
) -> Result<Prediction, Status> {
    if score == Score::Sigma && sigma.is_none() {
        return Err(status::invalid(field, "SIGMA_MISSING", "SCORE_SIGMA needs a sigma"));
    }
    Prediction::new(mean, sigma.unwrap_or(0.0))
        .map_err(|error| status::invalid(field, "PREDICTION", error.to_string()))
}

pub(super) fn calibration(
    record: &Record,
    document: &Document,
    active: bool,
) -> proto::Calibration {
    let fitted = &document.calibration;
    let score = match fitted.spec().score {
        Score::Absolute => proto::Score::Absolute,
        Score::SquareRoot => proto::Score::SquareRoot,
        Score::Sigma => proto::Score::Sigma,
    };
    let grouping = match fitted.spec().grouping {
        Grouping::None => proto::Grouping::None,
        Grouping::PredictedDecade => proto::Grouping::PredictedDecade,
    };
    proto::Calibration {
        name: format!("calibrations/{}", record.id),
        model: record.model.clone(),
        score: score.into(),
        grouping: grouping.into(),
        size: fitted.size() as u64,
        groups: groups(fitted),
        active,
        split_hash: document.split_hash.clone(),
        create_time: Some(timestamp(record.created)),
    }
}

fn groups(calibration: &Calibration) -> Vec<proto::CalibrationGroup> {
    let group = |group: &agespan_conformal::CalibratedGroup| proto::CalibrationGroup {
        name: group.group().name.clone(),
        size: u32::try_from(group.scores().len()).unwrap_or(u32::MAX),
        threshold_at_90: group.threshold(Coverage::DEFAULT),
    };
    calibration.groups().iter().map(group).collect()
}

pub(super) fn registry_error(error: RegistryError) -> Status {
    let message = error.to_string();
    match error {
        RegistryError::NotFound(id) => {
            status::not_found("calibration", &format!("calibrations/{id}"), message)
        }
        RegistryError::NothingBefore(model) => {
            status::precondition("NOTHING_BEFORE", &model, message)
        }
        RegistryError::Storage(source) => status::from_storage(source),
        other => status::internal(&other),
    }
}
