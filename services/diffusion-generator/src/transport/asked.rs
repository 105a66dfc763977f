//! What a caller asks for by itself, whatever the pipeline: everything is refused that none can draw.

use agespan_models::diffusion::SchedulerKind;
use agespan_proto::generator::v1 as proto;
use agespan_service::status;
use tonic::Status;

use super::convert;
use super::subject::{self, Asking};
use crate::draws::{DEFAULT_DRAWS, FaceCheck, MAX_DRAWS};

const MAX_COUNT: u32 = 100_000;
const DEFAULT_STEPS: u32 = 50;
/// What networks are trained for at most; a pipeline may allow fewer.
const MAX_STEPS: u32 = 1000;
const DEFAULT_GUIDANCE: f64 = 7.5;
/// In pixels. What a network and an autoencoder need grows with the area.
const MAX_SIDE: u32 = 2048;
const MAX_PROMPT_BYTES: usize = 10_000;

/// A request's own values, with the defaults in.
#[derive(Debug)]
pub struct Asked {
    pub(super) subject: Asking,
    pub(super) count: u32,
    pub(super) steps: u32,
    pub(super) guidance_scale: f64,
    pub(super) scheduler: Option<SchedulerKind>,
    pub(super) face_check: FaceCheck,
}

/// Reads a request.
///
/// # Errors
/// INVALID_ARGUMENT with the field.
pub fn read(request: &proto::GenerateFacesRequest, has_detector: bool) -> Result<Asked, Status> {
    let subject = subject::read(request.subject.as_ref())?;
    short_enough("prompt", &subject.prompt)?;
    short_enough("negative_prompt", &request.negative_prompt)?;
    let count = up_to("count", "COUNT", request.count, MAX_COUNT)?;
    // As many as the grid has combinations, which are fewer than the most.
    let count = count.unwrap_or(subject.grid.len().max(1) as u32);
    let steps = up_to("steps", "STEPS", request.steps, MAX_STEPS)?.unwrap_or(DEFAULT_STEPS);
    for (field, side) in [("width", request.width), ("height", request.height)] {
        up_to(field, "SIZE", side, MAX_SIDE)?;
    }
    if !(0.0..=1.0).contains(&request.eta) {
        return refuse("eta", "ETA", format!("{} is not between 0 and 1", request.eta));
    }
    let asked = Asked {
        subject,
        count,
        steps,
        guidance_scale: guidance_scale(request.guidance_scale)?,
        scheduler: scheduler(request.scheduler)?,
        face_check: face_check(request, has_detector)?,
    };
    let for_one = [("noise", !request.noise.is_empty()), ("trace", request.trace)];
    if let Some((field, _)) = for_one.into_iter().find(|(_, given)| *given && count != 1) {
        return refuse(field, "COUNT", format!("goes with a count of 1, not {count}"));
    }
    Ok(asked)
}

pub(super) fn refuse<T>(
    field: &str,
    reason: &str,
    message: impl Into<String>,
) -> Result<T, Status> {
    Err(status::invalid(field, reason, message))
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

fn scheduler(asked: i32) -> Result<Option<SchedulerKind>, Status> {
    match proto::Scheduler::try_from(asked) {
        Ok(asked) => Ok(convert::scheduler_kind(asked)),
        Err(_) => refuse("scheduler", "UNKNOWN_ENUM", "not a Scheduler"),
    }
}

/// A number with a bound; none for 0, which is a default.
fn up_to(field: &str, reason: &str, asked: u32, most: u32) -> Result<Option<u32>, Status> {
    match asked {
        0 => Ok(None),
        asked if asked <= most => Ok(Some(asked)),
        asked => refuse(field, reason, format!("{asked} is more than {most}")),
    }
}

fn guidance_scale(asked: Option<f64>) -> Result<f64, Status> {
    let scale = asked.unwrap_or(DEFAULT_GUIDANCE);
    if !(scale >= 0.0 && scale.is_finite()) {
        let message = format!("{scale} is not a number from 0 up; 7.5 is usual");
        return refuse("guidance_scale", "GUIDANCE", message);
    }
    Ok(scale)
}

/// Decided where the job is taken and not where it is drawn, so that all of its images are drawn
/// alike.
fn face_check(
    request: &proto::GenerateFacesRequest,
    has_detector: bool,
) -> Result<FaceCheck, Status> {
    let asked = up_to("max_draws", "MAX_DRAWS", request.max_draws, MAX_DRAWS)?;
    let once = |why: &str| match asked {
        Some(draws) if draws > 1 => {
            let message = format!("{draws} draws, but {why}: leave it out, or give 1");
            refuse("max_draws", "DRAWN_ONCE", message)
        }
        _ => Ok(()),
    };
    if !request.noise.is_empty() {
        once("given noise is drawn from once")?;
    }
    let on = FaceCheck::On { max_draws: asked.unwrap_or(DEFAULT_DRAWS) };
    match proto::FaceCheck::try_from(request.face_check) {
        Ok(proto::FaceCheck::Unspecified) if !has_detector => Ok(FaceCheck::NoDetector),
        Ok(proto::FaceCheck::Unspecified | proto::FaceCheck::On) => Ok(on),
        Ok(proto::FaceCheck::Off) => {
            once("only a count of faces asks for another")?;
            Ok(FaceCheck::Off)
        }
        Err(_) => refuse("face_check", "UNKNOWN_ENUM", "not a FaceCheck"),
    }
}
