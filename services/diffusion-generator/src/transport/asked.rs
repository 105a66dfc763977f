//! What a caller asks for as a job, with everything refused that can never be drawn.

use agespan_models::diffusion::{DiffusionError, SchedulerConfig, SchedulerKind};
use agespan_proto::age::v1::Gender as ProtoGender;
use agespan_proto::generator::v1 as proto;
use agespan_proto::generator::v1::generate_faces_request::Subject;
use agespan_service::status::{self, chain};
use tonic::Status;

use super::convert;
use crate::engine::Shape;
use crate::job::GenerateJob;
use crate::noise;
use crate::pipelines::Record;
use crate::wording::{Attributes, Gender, MAX_AGE};

const MAX_COUNT: u32 = 100_000;
const DEFAULT_STEPS: u32 = 50;
const DEFAULT_GUIDANCE: f64 = 7.5;
/// In pixels. What a network and an autoencoder need grows with the area.
const MAX_SIDE: u32 = 2048;
const MAX_PROMPT_BYTES: usize = 10_000;
/// A trace travels in one message, of which common clients are asked to take 64 MiB.
const MAX_TRACE_BYTES: u64 = 48 << 20;

/// The job, but for the noise, which is only checked.
pub(super) fn job(
    request: &proto::GenerateFacesRequest,
    record: &Record,
) -> Result<GenerateJob, Status> {
    let (prompt, attributes) = subject(request.subject.as_ref())?;
    short_enough("prompt", &prompt)?;
    short_enough("negative_prompt", &request.negative_prompt)?;
    let count = match request.count {
        0 => 1,
        count if count <= MAX_COUNT => count,
        count => {
            return refuse("count", "COUNT", format!("{count} is more than {MAX_COUNT}"));
        }
    };
    let guidance_scale = request.guidance_scale.unwrap_or(DEFAULT_GUIDANCE);
    if !(guidance_scale >= 0.0 && guidance_scale.is_finite()) {
        let message = format!("{guidance_scale} is not a number from 0 up; 7.5 is usual");
        return refuse("guidance_scale", "GUIDANCE", message);
    }
    let steps = if request.steps == 0 { DEFAULT_STEPS } else { request.steps };
    let width = side("width", request.width, &record.shape)?;
    let height = side("height", request.height, &record.shape)?;
    let kind = scheduler(request.scheduler)?;
    let (scheduler, steps_made) = steps_made(&record.shape, kind, steps, request.eta)?;
    let job = GenerateJob {
        pipeline: record.id.clone(),
        prompt,
        attributes,
        negative_prompt: request.negative_prompt.clone(),
        guidance_scale,
        steps,
        scheduler: scheduler.class_name().to_owned(),
        eta: request.eta,
        width,
        height,
        seed: request.seed,
        count,
        noise: None,
        trace: request.trace,
        steps_made,
    };
    for_comparison(request, &job, record.shape.latents(width, height))?;
    Ok(job)
}

fn refuse<T>(field: &str, reason: &str, message: impl Into<String>) -> Result<T, Status> {
    Err(status::invalid(field, reason, message))
}

fn subject(subject: Option<&Subject>) -> Result<(String, Option<Attributes>), Status> {
    let asked = match subject {
        None => return refuse("subject", "SUBJECT", "give a prompt or attributes"),
        Some(Subject::Prompt(prompt)) => return Ok((prompt.clone(), None)),
        Some(Subject::Attributes(asked)) => asked,
    };
    if asked.age > MAX_AGE {
        let message = format!("{} is not 0 to {MAX_AGE}", asked.age);
        return refuse("attributes.age", "AGE", message);
    }
    let gender = match ProtoGender::try_from(asked.gender) {
        Ok(ProtoGender::Female) => Gender::Female,
        Ok(ProtoGender::Male) => Gender::Male,
        Ok(ProtoGender::Unspecified) => {
            return refuse("attributes.gender", "GENDER", "give GENDER_FEMALE or GENDER_MALE");
        }
        Err(_) => return refuse("attributes.gender", "UNKNOWN_ENUM", "not a Gender"),
    };
    let race = asked.race.parse();
    let race = race.or_else(|error: crate::wording::UnknownRace| {
        refuse("attributes.race", "RACE", error.to_string())
    })?;
    let attributes = Attributes { age: asked.age, gender, race };
    Ok((attributes.prompt(), Some(attributes)))
}

fn short_enough(field: &str, text: &str) -> Result<(), Status> {
    if text.len() > MAX_PROMPT_BYTES {
        let message = format!("has {} bytes, more than {MAX_PROMPT_BYTES}", text.len());
        return refuse(field, "TOO_LONG", message);
    }
    if text.contains('\0') {
        return refuse(field, "TEXT", "has a zero byte");
    }
    Ok(())
}

fn side(field: &str, asked: u32, shape: &Shape) -> Result<u32, Status> {
    let factor = shape.factor;
    match asked {
        0 => Ok(shape.image_size),
        side if side > MAX_SIDE => {
            refuse(field, "SIZE", format!("{side} is more than {MAX_SIDE} pixels"))
        }
        side if side % factor != 0 => {
            refuse(field, "SIZE", format!("{side} is not a multiple of {factor} pixels"))
        }
        side => Ok(side),
    }
}

fn scheduler(asked: i32) -> Result<Option<SchedulerKind>, Status> {
    match proto::Scheduler::try_from(asked) {
        Ok(asked) => Ok(convert::scheduler_kind(asked)),
        Err(_) => refuse("scheduler", "UNKNOWN_ENUM", "not a Scheduler"),
    }
}

/// The scheduler, and how many steps it makes of those asked for.
fn steps_made(
    shape: &Shape,
    kind: Option<SchedulerKind>,
    steps: u32,
    eta: f64,
) -> Result<(SchedulerKind, u64), Status> {
    let of_pipeline = SchedulerConfig::new(shape.scheduler.clone());
    let config =
        of_pipeline.and_then(|own| kind.map_or(Ok(own.clone()), |kind| own.with_kind(kind)));
    let begun = config.and_then(|config| Ok((config.kind(), config.start(steps as usize, eta)?)));
    let (kind, run) = begun.map_err(|error| {
        let (field, reason) = match &error {
            DiffusionError::Steps { .. } | DiffusionError::Timestep { .. } => ("steps", "STEPS"),
            DiffusionError::Eta { .. } => ("eta", "ETA"),
            _ => ("scheduler", "SCHEDULER"),
        };
        status::invalid(field, reason, chain(&error))
    })?;
    Ok((kind, run.timesteps().len() as u64))
}

/// What is there to compare two implementations by one image.
fn for_comparison(
    request: &proto::GenerateFacesRequest,
    job: &GenerateJob,
    latents: [usize; 3],
) -> Result<(), Status> {
    let asked = [("noise", !request.noise.is_empty()), ("trace", job.trace)];
    if let Some((field, _)) = asked.into_iter().find(|(_, asked)| *asked && job.count != 1) {
        let message = format!("goes with a count of 1, not {}", job.count);
        return refuse(field, "COUNT", message);
    }
    if !request.noise.is_empty() {
        let found = noise::find(&request.noise, latents);
        found.or_else(|error| refuse("noise", "NOISE", chain(&error)))?;
    }
    let bytes = latents.iter().product::<usize>() as u64 * 4 * job.steps_made;
    if job.trace && bytes > MAX_TRACE_BYTES {
        let message =
            format!("would have {bytes} bytes, more than {MAX_TRACE_BYTES}: ask for fewer steps");
        return refuse("trace", "TRACE_SIZE", message);
    }
    Ok(())
}
