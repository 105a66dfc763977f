//! What a caller asks for, held against the pipeline that is to draw it.

use agespan_models::diffusion::{DiffusionError, SchedulerConfig, SchedulerKind};
use agespan_proto::generator::v1 as proto;
use agespan_service::status::{self, chain};
use tonic::Status;

use super::asked::{Asked, refuse};
use crate::engine::Shape;
use crate::job::GenerateJob;
use crate::noise;
use crate::pipelines::Record;

/// A trace travels in one message, of which common clients are asked to take 64 MiB.
const MAX_TRACE_BYTES: u64 = 48 << 20;

/// The job, but for the noise, which is only checked.
pub(super) fn job(
    request: &proto::GenerateFacesRequest,
    asked: Asked,
    record: &Record,
) -> Result<GenerateJob, Status> {
    let width = side("width", request.width, &record.shape)?;
    let height = side("height", request.height, &record.shape)?;
    let (scheduler, steps_made) =
        steps_made(&record.shape, asked.scheduler, asked.steps, request.eta)?;
    let job = GenerateJob {
        pipeline: record.id.clone(),
        prompt: asked.subject.prompt,
        attributes: asked.subject.attributes,
        grid: asked.subject.grid,
        negative_prompt: request.negative_prompt.clone(),
        guidance_scale: asked.guidance_scale,
        steps: asked.steps,
        scheduler: scheduler.class_name().to_owned(),
        eta: request.eta,
        width,
        height,
        seed: request.seed,
        count: asked.count,
        noise: None,
        trace: request.trace,
        steps_made,
        face_check: asked.face_check,
    };
    for_comparison(request, &job, record.shape.latents(width, height))?;
    Ok(job)
}

fn side(field: &str, asked: u32, shape: &Shape) -> Result<u32, Status> {
    let factor = shape.factor;
    match asked {
        0 => Ok(shape.image_size),
        side if side % factor != 0 => {
            refuse(field, "SIZE", format!("{side} is not a multiple of {factor} pixels"))
        }
        side => Ok(side),
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
