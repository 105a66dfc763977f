//! The images of a job in order, as they come.

use std::time::Duration;

use agespan_jobs::{Job, JobState, Jobs};
use agespan_proto::generator::v1 as proto;
use agespan_service::status;
use agespan_storage::StorageError;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tonic::{Code, Status};

use super::convert;
use crate::engine::Safety;
use crate::images::{Image, Images};
use crate::job::{GENERATE_KIND, GenerateJob};

/// How often the next image is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

type Answer = proto::StreamGeneratedFacesResponse;

struct Follow {
    jobs: Jobs,
    images: Images,
    id: String,
    job: GenerateJob,
    next: u32,
}

/// Begins to follow a job at an image.
pub(super) async fn images(
    jobs: Jobs,
    images: Images,
    id: &str,
    first: u32,
) -> Result<BoxStream<'static, Result<Answer, Status>>, Status> {
    let found = jobs.get(id).await.map_err(status::from_jobs)?;
    if found.kind != GENERATE_KIND {
        let message = format!("jobs/{id} is of the kind {}, not {GENERATE_KIND}", found.kind);
        return Err(status::invalid("job", "KIND", message));
    }
    let payload = jobs.payload(id).await.map_err(status::from_jobs)?;
    let job: GenerateJob =
        serde_json::from_slice(&payload).map_err(|error| status::internal(&error))?;
    if first > job.count {
        let message = format!("{first} is more than the {} images of the job", job.count);
        return Err(status::invalid("start_index", "START_INDEX", message));
    }
    let follow = Follow { jobs, images, id: id.to_owned(), job, next: first };
    let images = stream::try_unfold(follow, |mut follow| async move {
        let answer = follow.next().await?;
        Ok(answer.map(|answer| (answer, follow)))
    });
    Ok(images.boxed())
}

impl Follow {
    async fn next(&mut self) -> Result<Option<Answer>, Status> {
        if self.next == self.job.count {
            return Ok(None);
        }
        loop {
            // Before the image is looked for: what a job that has ended has drawn is there by then.
            let job = self.jobs.get(&self.id).await.map_err(status::from_jobs)?;
            let found = self.images.find(&self.id, self.next).await;
            if let Some(image) = found.map_err(status::from_storage)? {
                return self.answer(image).await.map(Some);
            }
            ended_without(&job)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn answer(&mut self, image: Image) -> Result<Answer, Status> {
        let read = async |artifact| self.images.bytes(artifact).await.map_err(missing);
        let trace = match &image.trace {
            Some(artifact) => read(artifact).await?,
            None => Bytes::new(),
        };
        let (prompt, attributes) = self.job.subject(self.next);
        let answer = Answer {
            index: self.next,
            image: read(&image.artifact).await?,
            seed: image.facts.seed,
            prompt,
            attributes: attributes.as_ref().map(convert::attributes),
            warnings: image.facts.warnings,
            trace,
            draws: image.facts.draws,
            draw: image.facts.draw,
            faces: image.facts.faces,
            pipeline: format!("pipelines/{}", self.job.pipeline),
            flagged: image.facts.safety == Some(Safety::Flagged),
        };
        self.next += 1;
        Ok(answer)
    }
}

/// Refuses to wait for an image of a job that has ended.
fn ended_without(job: &Job) -> Result<(), Status> {
    let name = format!("jobs/{}", job.id);
    match job.state {
        JobState::Queued | JobState::Running => Ok(()),
        JobState::Cancelled => {
            Err(status::new(Code::Cancelled, "CANCELLED", format!("{name} was cancelled")))
        }
        JobState::Failed => {
            let error = job.error.clone();
            let (reason, message) = error.map_or_else(
                || ("FAILED".to_owned(), "for a reason that was not kept".to_owned()),
                |error| (error.reason, error.message),
            );
            Err(status::new(Code::Aborted, &reason, format!("{name} failed: {message}")))
        }
        JobState::Succeeded => Err(lost(&name)),
    }
}

fn missing(error: StorageError) -> Status {
    match error {
        StorageError::NotFound { path } => lost(&path),
        other => status::from_storage(other),
    }
}

fn lost(what: &str) -> Status {
    let message = format!("an image of {what} is no longer in the artifact store");
    status::new(Code::DataLoss, "IMAGE_LOST", message)
}
