//! Between the protocol's words and the domain's.

use agespan_models::diffusion::{DiffusionError, SchedulerKind};
use agespan_proto::age::v1::Gender as ProtoGender;
use agespan_proto::generator::v1 as proto;
use agespan_service::status::{self, chain};
use agespan_service::transport::timestamp;
use serde_json::Value;
use tonic::Status;

use crate::job;
use crate::pipelines::{PipelineError, Record};
use crate::wording::{Attributes, Gender};

pub(super) fn pipeline_error(error: PipelineError) -> Status {
    let message = chain(&error);
    match error {
        PipelineError::NotFound(id) => {
            status::not_found("pipeline", &format!("pipelines/{id}"), message)
        }
        PipelineError::NoneYet => status::precondition("NO_PIPELINE", "pipelines", message),
        PipelineError::Directory { source, .. } => {
            status::invalid("source", directory_reason(&source), message)
        }
        PipelineError::Outside { .. } => status::invalid("source", "PIPELINE_OUTSIDE", message),
        PipelineError::Storage(source) => status::from_storage(source),
        other => status::internal(&other),
    }
}

fn directory_reason(error: &DiffusionError) -> &'static str {
    match error {
        DiffusionError::MissingFile { .. } => "PIPELINE_FILE_MISSING",
        DiffusionError::Weights { .. } => "PIPELINE_WEIGHTS",
        DiffusionError::Unsupported { .. } => "PIPELINE_UNSUPPORTED",
        _ => "PIPELINE_MALFORMED",
    }
}

pub(super) fn pipeline(record: &Record) -> proto::Pipeline {
    let shape = &record.shape;
    let class = shape.scheduler.get("_class_name").and_then(Value::as_str).unwrap_or_default();
    let scheduler = job::scheduler(class).map_or(proto::Scheduler::Unspecified, scheduler_to_proto);
    proto::Pipeline {
        name: format!("pipelines/{}", record.id),
        content_hash: record.hash.to_string(),
        image_size: shape.image_size,
        base: record.base.as_ref().map(|id| format!("pipelines/{id}")).unwrap_or_default(),
        create_time: Some(timestamp(record.created)),
        scheduler: scheduler.into(),
        size_factor: shape.factor,
        latent_channels: shape.latent_channels,
        has_safety_checker: shape.has_safety_checker,
        size_bytes: record.size(),
    }
}

pub(super) fn scheduler_kind(asked: proto::Scheduler) -> Option<SchedulerKind> {
    SchedulerKind::ALL.into_iter().find(|kind| scheduler_to_proto(*kind) == asked)
}

fn scheduler_to_proto(kind: SchedulerKind) -> proto::Scheduler {
    match kind {
        SchedulerKind::Ddpm => proto::Scheduler::Ddpm,
        SchedulerKind::Ddim => proto::Scheduler::Ddim,
        SchedulerKind::Pndm => proto::Scheduler::Pndm,
        SchedulerKind::Euler => proto::Scheduler::Euler,
        SchedulerKind::EulerAncestral => proto::Scheduler::EulerAncestral,
        SchedulerKind::DpmSolverMultistep => proto::Scheduler::DpmSolverMultistep,
        SchedulerKind::UniPc => proto::Scheduler::UniPc,
        SchedulerKind::Lcm => proto::Scheduler::Lcm,
    }
}

pub(super) fn attributes(attributes: &Attributes) -> proto::FaceAttributes {
    let gender = match attributes.gender {
        Gender::Female => ProtoGender::Female,
        Gender::Male => ProtoGender::Male,
    };
    proto::FaceAttributes {
        age: attributes.age,
        gender: gender.into(),
        race: attributes.race.name().to_owned(),
    }
}
