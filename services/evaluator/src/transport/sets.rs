//! Images that other services have, as sets.

use std::future::Future;
use std::sync::Arc;

use agespan_client::{Client, SplitSamples};
use agespan_jobs::JobFailure;
use agespan_proto::dataset::v1::{SampleImage, Split as ProtoSplit};
use agespan_proto::generator::v1::StreamGeneratedFacesRequest;
use agespan_proto::job::v1::{GetJobRequest, JobState};
use agespan_service::transport::peer_failure;
use bytes::Bytes;
use rayon::prelude::*;
use tokio::runtime::Handle;

use super::Peers;
use super::peers::split_to_proto;
use crate::images::{Found, Pictures, Set, SetError};
use crate::worker::Split;

/// Images decoded at once.
const BATCH: usize = 32;

type Sender = tokio::sync::mpsc::Sender<Result<Vec<Found>, SetError>>;

impl Peers {
    /// A split of a data set.
    pub(crate) async fn split_set(&self, name: &str, split: Split) -> Result<Set, JobFailure> {
        let part = split_to_proto(split);
        let summary = self.summary(name, part).await?;
        let (client, runtime) = (self.dataset.clone(), Handle::current());
        let (dataset, word) = (name.to_owned(), split.word());
        Ok(Set {
            name: format!("{name}, {word}"),
            content_hash: Some(summary.content_hash.clone()),
            identity: summary.content_hash,
            count: Some(summary.sample_count),
            named: false,
            open: Arc::new(move |first| {
                let (client, dataset) = (client.clone(), dataset.clone());
                begin(&runtime, |sender| stream_split(client, dataset, part, first, sender))
            }),
        })
    }

    /// The faces of a generation job that has succeeded.
    pub(crate) async fn drawn_set(&self, name: &str) -> Result<Set, JobFailure> {
        let request = GetJobRequest { name: name.to_owned() };
        let answer = self.generator.jobs().get_job(request).await.map_err(peer_failure)?;
        let job = answer.into_inner().job.unwrap_or_default();
        if job.kind != "generate-faces" {
            let message = format!("{name} is of the kind {:?}, not generate-faces", job.kind);
            return Err(JobFailure::permanent("KIND", message));
        }
        if job.state() != JobState::Succeeded {
            let state = job.state().as_str_name();
            let message = format!("{name} is {state}: compare its images when it has succeeded");
            return Err(JobFailure::permanent("NOT_SUCCEEDED", message));
        }
        let (client, runtime, job) = (self.generator.clone(), Handle::current(), name.to_owned());
        Ok(Set {
            name: name.to_owned(),
            content_hash: None,
            // What it has drawn never changes.
            identity: name.to_owned(),
            count: None,
            named: false,
            open: Arc::new(move |first| {
                let start_index = u32::try_from(first).unwrap_or(u32::MAX);
                let request = StreamGeneratedFacesRequest { job: job.clone(), start_index };
                begin(&runtime, |sender| stream_job(client.clone(), request, sender))
            }),
        })
    }
}

/// Runs a stream on the runtime, whatever thread asks for it.
fn begin<F>(runtime: &Handle, stream: impl FnOnce(Sender) -> F) -> Pictures
where
    F: Future<Output = Result<(), SetError>> + Send + 'static,
{
    let (sender, pictures) = Pictures::channel();
    let failed = sender.clone();
    let stream = stream(sender);
    runtime.spawn(async move {
        if let Err(error) = stream.await {
            // Nobody to tell it to is what it may be about.
            let _ = failed.send(Err(error)).await;
        }
    });
    pictures
}

async fn stream_split(
    client: Client,
    dataset: String,
    split: ProtoSplit,
    first: u64,
    sender: Sender,
) -> Result<(), SetError> {
    let samples = SplitSamples::begin(&client, &dataset, split).await;
    let mut samples = samples.map_err(peer_failure)?;
    let mut before = usize::try_from(first).unwrap_or(usize::MAX);
    while let Some(batch) = samples.next().await.map_err(peer_failure)? {
        let file = |sample: SampleImage| (sample.sample.unwrap_or_default().path, sample.image);
        let passed = before.min(batch.len());
        before -= passed;
        let mut files: Vec<_> = batch.into_iter().skip(passed).map(file).collect();
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(BATCH));
            send(std::mem::replace(&mut files, rest), &sender).await?;
        }
    }
    Ok(())
}

async fn stream_job(
    client: Client,
    request: StreamGeneratedFacesRequest,
    sender: Sender,
) -> Result<(), SetError> {
    let images = client.generator().stream_generated_faces(request).await.map_err(peer_failure)?;
    let (mut images, mut files) = (images.into_inner(), Vec::new());
    while let Some(image) = images.message().await.map_err(peer_failure)? {
        files.push((format!("{:06}.png", image.index), image.image));
        if files.len() == BATCH {
            send(std::mem::take(&mut files), &sender).await?;
        }
    }
    if files.is_empty() { Ok(()) } else { send(files, &sender).await }
}

/// Decodes files off the async threads and hands them on.
async fn send(files: Vec<(String, Bytes)>, sender: &Sender) -> Result<(), SetError> {
    let decode = |(path, bytes): (String, Bytes)| Found::decode(path, &bytes);
    let decoded =
        tokio::task::spawn_blocking(move || files.into_par_iter().map(decode).collect::<Vec<_>>());
    let batch = decoded.await.map_err(|error| JobFailure::retryable("DECODER", error))?;
    sender.send(Ok(batch)).await.map_err(|_| SetError::GivenUp)
}
