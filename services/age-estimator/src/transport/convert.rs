//! Between the protocol's words and the domain's.

use agespan_conformal::GenderSet;
use agespan_models::{Backbone, InputSpec};
use agespan_proto::age::v1::{AgeDistribution, AgeInterval, Gender, IntervalStatus};
use agespan_proto::estimator::v1 as proto;
use agespan_service::status;
use agespan_service::transport::{interval_to_proto, timestamp};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::faces;
use crate::engine::EngineError;
use crate::model::{LoadError, ModelError, Record, SHIPPED_BACKBONE};
use crate::training::{Distillation, EpochFigures, TrainSpec};
use crate::worker::TrainJob;
use crate::{EstimateError, FaceEstimate, PhotoEstimate, Precision};

/// Each teacher costs a forward pass in each step.
const MAX_TEACHERS: usize = 8;

fn face(face: FaceEstimate, with_distribution: bool) -> proto::FaceEstimate {
    let found = face.found.as_ref();
    let interval = face.interval.map(interval_to_proto);
    let interval_status =
        interval.as_ref().map_or(IntervalStatus::NotCalibrated, AgeInterval::status);
    let gender = if face.female { Gender::Female } else { Gender::Male };
    let distribution =
        with_distribution.then_some(AgeDistribution { probabilities: face.distribution });
    let gender_set = match face.gender_set {
        None => vec![],
        Some(GenderSet { female: true, male: false }) => vec![Gender::Female.into()],
        Some(GenderSet { female: false, male: true }) => vec![Gender::Male.into()],
        Some(_) => vec![Gender::Female.into(), Gender::Male.into()],
    };
    proto::FaceEstimate {
        r#box: Some(faces::bounds(face.place)),
        age: face.prediction.mean(),
        sigma: face.prediction.sigma(),
        interval,
        interval_status: interval_status.into(),
        probability_female: face.probability_female,
        gender: gender.into(),
        distribution,
        gender_set,
        detection_score: found.map(|found| found.score),
        landmarks: found.map(faces::landmarks),
        quality: found.map(faces::quality),
    }
}

/// The answer about a photo: its faces, those that were refused, and how many there are.
pub(super) fn photo(photo: PhotoEstimate, with_distribution: bool) -> proto::FaceEstimates {
    proto::FaceEstimates {
        faces: photo.faces.into_iter().map(|one| face(one, with_distribution)).collect(),
        refused: photo.refused.iter().map(faces::refused).collect(),
        faces_found: count(photo.count),
    }
}

pub(super) fn count(count: impl TryInto<u32>) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

pub(super) fn estimate_error(error: EstimateError) -> Status {
    match error {
        EstimateError::Face(error) => faces::face_error(&error),
        EstimateError::Busy(error) => {
            let (code, message) = (Code::ResourceExhausted, error.to_string());
            status::retry_after(code, "QUEUE_FULL", message, error.retry_after)
        }
        EstimateError::Engine(error @ EngineError::Ended) => {
            status::retry_later(Code::Unavailable, "MODEL_ENDED", error.to_string())
        }
        other => status::internal(&other),
    }
}

/// A status as the result of one photo among several.
pub(super) fn item_error(status: &Status) -> proto::ImageError {
    proto::ImageError {
        code: status.code().into(),
        reason: status.get_details_error_info().map(|info| info.reason).unwrap_or_default(),
        message: status.message().to_owned(),
    }
}

pub(super) fn load_error(error: LoadError) -> Status {
    match error {
        LoadError::Model(error) => model_error(error),
        LoadError::NoneActive => {
            status::retry_later(Code::Unavailable, "NO_ACTIVE_MODEL", error.to_string())
        }
        other => status::internal(&other),
    }
}

pub(super) fn model_error(error: ModelError) -> Status {
    let message = error.to_string();
    match error {
        ModelError::NotFound(id) => status::not_found("model", &format!("models/{id}"), message),
        ModelError::Storage(source) => status::from_storage(source),
        other => status::internal(&other),
    }
}

pub(super) fn model(record: &Record, active: bool) -> proto::Model {
    let card = &record.card;
    proto::Model {
        name: format!("models/{}", record.id),
        active,
        weights_hash: record.weights.hash.to_string(),
        age_bins: card.spec.net.age_bins as u32,
        input_size: card.spec.input.crop,
        gender_threshold: card.validation.gender_threshold,
        validation_mae: card.validation.mae,
        validation_gender_accuracy: card.validation.gender_balanced_accuracy,
        dataset: card.dataset.clone(),
        dataset_hash: card.dataset_hash.clone(),
        create_time: Some(timestamp(record.created)),
        shipped: record.shipped,
    }
}

pub(super) fn epoch(figures: &EpochFigures) -> proto::TrainingEpoch {
    let validation = &figures.validation;
    proto::TrainingEpoch {
        loss: figures.loss,
        validation_mae: validation.mae,
        validation_within_five: validation.within_five,
        validation_gender_accuracy: validation.gender_balanced_accuracy,
    }
}

/// The network is as the request says, or that of the model to go on from.
pub(super) fn train_job(
    request: &proto::TrainModelRequest,
    from: Option<&Record>,
    teachers: &[Record],
) -> Result<TrainJob, Status> {
    status::resource_id("dataset", "datasets", &request.dataset)?;
    let refuse = |field, reason, message: String| Err(status::invalid(field, reason, message));
    let side = match request.input_size {
        0 => from.map_or(InputSpec::default(), |record| record.card.spec.input).crop,
        side @ 64..=224 => side,
        side => return refuse("input_size", "INPUT_SIZE", format!("{side} is not 64 to 224")),
    };
    let backbone = backbone(request.backbone)?;
    let mut spec = match from {
        None => TrainSpec::recipe(backbone.unwrap_or(SHIPPED_BACKBONE), side),
        Some(_) if backbone.is_some() || request.age_bins != 0 => {
            let message = "the model to go on from has a backbone and bins; leave them out";
            return refuse("from", "SHAPE_TWICE", message.to_owned());
        }
        Some(record) => TrainSpec {
            net: record.card.spec.net,
            ..TrainSpec::recipe(record.card.spec.net.backbone, side).finish()
        },
    };
    spec.seed = request.seed;
    spec.freeze_batch_norm = request.freeze_batch_norm;
    if request.epochs > 0 {
        spec.epochs = request.epochs;
    }
    spec.head_epochs = request.head_epochs.unwrap_or(spec.head_epochs.min(spec.epochs));
    if spec.head_epochs > spec.epochs {
        let message = format!("{} is more than the {} epochs", spec.head_epochs, spec.epochs);
        return refuse("head_epochs", "HEAD_EPOCHS", message);
    }
    match request.age_bins {
        0 => {}
        bins @ 2..=200 => spec.net.age_bins = i64::from(bins),
        bins => return refuse("age_bins", "AGE_BINS", format!("{bins} is not 2 to 200")),
    }
    spec.mixup = match request.mixup {
        mixup if (0.0..=10.0).contains(&mixup) => mixup,
        mixup => return refuse("mixup", "MIXUP", format!("{mixup} is not 0 to 10")),
    };
    match request.learning_rate {
        0.0 => {}
        rate if rate > 0.0 && rate <= 1.0 => spec.learning_rate = rate,
        rate => {
            return refuse("learning_rate", "LEARNING_RATE", format!("{rate} is not in (0, 1]"));
        }
    }
    spec.precision = match proto::Precision::try_from(request.precision) {
        Ok(proto::Precision::Unspecified) => Precision::Float32,
        Ok(proto::Precision::Bfloat16) => Precision::Bfloat16,
        Err(_) => return refuse("precision", "UNKNOWN_ENUM", "not a Precision".to_owned()),
    };
    spec.mirrored = request.mirrored;
    spec.distillation = distillation(request, teachers, spec.net.age_bins)?;
    Ok(TrainJob {
        dataset: request.dataset.clone(),
        from: from.map(|record| record.id.clone()).unwrap_or_default(),
        max_samples: request.max_samples as usize,
        spec,
    })
}

fn distillation(
    request: &proto::TrainModelRequest,
    teachers: &[Record],
    bins: i64,
) -> Result<Option<Distillation>, Status> {
    if teachers.is_empty() {
        return Ok(None);
    }
    if teachers.len() > MAX_TEACHERS {
        let message = format!("name at most {MAX_TEACHERS}, not {}", teachers.len());
        return Err(status::invalid("teachers", "COUNT", message));
    }
    if let Some(other) = teachers.iter().find(|teacher| teacher.card.spec.net.age_bins != bins) {
        let found = other.card.spec.net.age_bins;
        let message = format!("models/{} has {found} age bins, the model {bins}", other.id);
        return Err(status::invalid("teachers", "AGE_BINS", message));
    }
    let weight = request.teacher_weight.unwrap_or(Distillation::default().weight);
    if !(weight > 0.0 && weight <= 1.0) {
        let message = format!("{weight} is not in (0, 1]");
        return Err(status::invalid("teacher_weight", "TEACHER_WEIGHT", message));
    }
    let teachers = teachers.iter().map(|teacher| teacher.id.clone()).collect();
    Ok(Some(Distillation { teachers, weight }))
}

fn backbone(backbone: i32) -> Result<Option<Backbone>, Status> {
    match proto::Backbone::try_from(backbone) {
        Ok(proto::Backbone::Unspecified) => Ok(None),
        Ok(proto::Backbone::MobilenetV2) => Ok(Some(Backbone::MobileNetV2)),
        Ok(proto::Backbone::MobilenetV1Faces) => Ok(Some(Backbone::MobileNetV1)),
        Ok(proto::Backbone::FaceResnet) => Ok(Some(Backbone::FaceResNet)),
        Err(_) => Err(status::invalid("backbone", "UNKNOWN_ENUM", "not a Backbone")),
    }
}
