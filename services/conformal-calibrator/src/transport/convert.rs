//! Between the protocol's words and the domain's.

use agespan_conformal::{
    Calibration, CalibrationSpec, Coverage, Document, GroupDiff, GroupSide, Grouping, MIN_GROUP,
    Prediction, Score,
};
use agespan_proto::age::v1::Gender;
use agespan_proto::calibrator::v1 as proto;
use agespan_service::status;
use agespan_service::transport::{grouping_to_proto, score_to_proto, timestamp};
use tonic::Status;

use crate::{Record, RegistryError};

/// Longest label of a caller's group, in bytes.
const LONGEST_LABEL: usize = 64;

pub(super) fn spec(spec: &proto::CalibrationSpec) -> Result<CalibrationSpec, Status> {
    let unknown = |field| status::invalid(field, "UNKNOWN_ENUM", "not a value of the enum");
    let score = match proto::Score::try_from(spec.score) {
        Ok(proto::Score::Unspecified) if spec.dataset.is_empty() => Score::Absolute,
        Ok(proto::Score::Unspecified | proto::Score::ShortestWindow) => Score::ShortestWindow,
        Ok(proto::Score::Absolute) => Score::Absolute,
        Ok(proto::Score::SquareRoot) => Score::SquareRoot,
        Ok(proto::Score::Sigma) => Score::Sigma,
        Ok(proto::Score::Quantile) => Score::Quantile,
        Err(_) => return Err(unknown("spec.score")),
    };
    let grouping = match proto::Grouping::try_from(spec.grouping) {
        Ok(proto::Grouping::Unspecified | proto::Grouping::PredictedDecade) => {
            Grouping::PredictedDecade
        }
        Ok(proto::Grouping::None) => Grouping::None,
        Ok(proto::Grouping::PredictedGender) => Grouping::PredictedGender,
        Ok(proto::Grouping::PredictedDecadeAndGender) => Grouping::PredictedDecadeAndGender,
        Ok(proto::Grouping::TrueDecade) => Grouping::TrueDecade,
        Ok(proto::Grouping::Label) => Grouping::Label,
        Err(_) => return Err(unknown("spec.grouping")),
    };
    if grouping == Grouping::Label && !spec.dataset.is_empty() {
        let message = "labels belong to predictions that you bring; a data set has none";
        return Err(status::invalid("spec.grouping", "NO_LABELS", message));
    }
    let min_group = match spec.min_group_size {
        0 => MIN_GROUP,
        size => size as usize,
    };
    Ok(CalibrationSpec { min_group, ..CalibrationSpec::new(score, grouping) })
}

/// What a caller says of a face, whether or not its true age is known.
pub(super) struct Brought<'a> {
    pub(super) prediction: f64,
    pub(super) sigma: Option<f64>,
    pub(super) distribution: &'a [f32],
    pub(super) gender: i32,
    pub(super) group: &'a str,
}

impl Brought<'_> {
    /// The prediction, with all that `spec` needs. `field` is blamed where it lacks something.
    pub(super) fn check(&self, field: &str, spec: &CalibrationSpec) -> Result<Prediction, Status> {
        let refuse = |name: &str, reason: &str, message: String| {
            Err(status::invalid(&format!("{field}.{name}"), reason, message))
        };
        let mut prediction = if self.distribution.is_empty() {
            if spec.score == Score::Sigma && self.sigma.is_none() {
                let message = "SCORE_SIGMA needs a sigma".to_owned();
                return refuse("sigma", "SIGMA_MISSING", message);
            }
            Prediction::new(self.prediction, self.sigma.unwrap_or(0.0))
        } else if self.prediction != 0.0 || self.sigma.is_some() {
            let message = "they follow from the distribution; leave them out".to_owned();
            return refuse("distribution", "PREDICTION_TWICE", message);
        } else {
            let probabilities: Vec<f64> = self.distribution.iter().map(|&p| f64::from(p)).collect();
            Prediction::from_distribution(&probabilities)
        }
        .or_else(|error| refuse("prediction", "PREDICTION", error.to_string()))?;
        match Gender::try_from(self.gender) {
            Ok(Gender::Unspecified) => {}
            Ok(gender) => prediction = prediction.with_gender(gender == Gender::Female),
            Err(_) => return refuse("gender", "UNKNOWN_ENUM", "not a Gender".to_owned()),
        }
        if self.group.len() > LONGEST_LABEL {
            let message = format!("a label has at most {LONGEST_LABEL} bytes");
            return refuse("group", "LABEL", message);
        }
        if !self.group.is_empty() {
            prediction = prediction.with_label(self.group);
        }
        match spec.lacks(&prediction) {
            Some(part) => refuse(
                &part.to_string(),
                &format!("{part}_MISSING").to_uppercase(),
                format!("{} by {} needs it", spec.score, spec.grouping),
            ),
            None => Ok(prediction),
        }
    }
}

impl<'a> From<&'a proto::LabelledPrediction> for Brought<'a> {
    fn from(row: &'a proto::LabelledPrediction) -> Self {
        Self {
            prediction: row.prediction,
            sigma: row.sigma,
            distribution: &row.distribution,
            gender: row.gender,
            group: &row.group,
        }
    }
}

impl<'a> From<&'a proto::UnlabelledPrediction> for Brought<'a> {
    fn from(row: &'a proto::UnlabelledPrediction) -> Self {
        Self {
            prediction: row.prediction,
            sigma: row.sigma,
            distribution: &row.distribution,
            gender: row.gender,
            group: &row.group,
        }
    }
}

pub(super) fn calibration(
    record: &Record,
    document: &Document,
    active: bool,
) -> proto::Calibration {
    let fitted = &document.calibration;
    let (female_members, male_members) = document.genders.sizes();
    proto::Calibration {
        name: format!("calibrations/{}", record.id),
        model: record.model.clone(),
        score: score_to_proto(fitted.spec().score).into(),
        grouping: grouping_to_proto(fitted.spec().grouping).into(),
        size: fitted.size() as u64,
        groups: groups(fitted),
        active,
        split_hash: document.split_hash.clone(),
        create_time: Some(timestamp(record.created)),
        people: document.people.len() as u64,
        female_members: female_members as u64,
        male_members: male_members as u64,
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

pub(super) fn group_diff(group: GroupDiff) -> proto::GroupDiff {
    let side = |side: GroupSide| proto::CalibrationGroupSide {
        size: u32::try_from(side.size).unwrap_or(u32::MAX),
        threshold: side.threshold,
    };
    proto::GroupDiff {
        group: group.group,
        base: group.base.map(side),
        candidate: group.candidate.map(side),
    }
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
