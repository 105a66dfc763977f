//! Generation as jobs: one that callers see, dealt out in shards that any worker draws; and
//! fine-tuning.
//!
//! * [`Dealer`]: makes the shards of a generation job and waits for them. It computes nothing.
//! * [`Painter`]: draws the images of a shard, one after the other.
//! * [`Tuner`]: makes a pipeline out of another and faces.
//!
//! A shard is a job like any other, so its worker may die: another takes it over and draws the
//! images that are not there yet. The dealer may die as well: the next one submits the same shards
//! under the same request ids and so finds those that are there.

mod dealer;
mod painter;
mod tuner;

use agespan_jobs::JobFailure;
use agespan_models::diffusion::DiffusionError;
use agespan_service::status::chain;
use agespan_storage::StorageError;

use crate::engine::DrawError;
use crate::faces::FaceCountError;
use crate::pipelines::PipelineError;

pub(crate) use dealer::Dealer;
pub(crate) use painter::Painter;
pub(crate) use tuner::Tuner;

fn store(error: StorageError) -> JobFailure {
    JobFailure::retryable("STORE", chain(&error))
}

fn payload(error: serde_json::Error) -> JobFailure {
    JobFailure::permanent("PAYLOAD", error)
}

/// Why a shard is not drawn whose generation job nobody wants any more.
const GENERATION_ENDED: &str = "GENERATION_ENDED";

fn stopped() -> JobFailure {
    JobFailure::retryable("STOPPED", "the drawing was stopped")
}

fn draw_failure(error: &DrawError) -> JobFailure {
    let message = chain(error);
    match error {
        // Memory that is short now may not be short on another worker.
        DrawError::Diffusion(DiffusionError::Torch(_)) | DrawError::Failed | DrawError::Ended => {
            JobFailure::retryable("PIPELINE_FAILED", message)
        }
        // Who set up this worker has to hear of it; another attempt may come to it again.
        DrawError::Faces(FaceCountError::Missing { .. } | FaceCountError::Weights { .. }) => {
            JobFailure::permanent("FACE_DETECTOR_MISSING", message)
        }
        DrawError::Faces(_) => JobFailure::retryable("FACE_DETECTOR_FAILED", message),
        _ => JobFailure::permanent("CANNOT_DRAW", message),
    }
}

fn pipeline_failure(error: PipelineError) -> JobFailure {
    let message = chain(&error);
    match error {
        PipelineError::NotFound(_) => JobFailure::permanent("PIPELINE_NOT_FOUND", message),
        PipelineError::Load { source, .. } => match draw_failure(&source) {
            failure if failure.retryable => JobFailure { message, ..failure },
            _ => JobFailure::permanent("PIPELINE_BROKEN", message),
        },
        _ => JobFailure::retryable("STORE", message),
    }
}

#[cfg(test)]
mod tests;
