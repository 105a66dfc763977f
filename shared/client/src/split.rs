//! The faces of a split, and what the estimator says of them.

use agespan_proto::dataset::v1::{
    Sample, SampleImage, Split, StreamSamplesRequest, StreamSamplesResponse,
};
use agespan_proto::estimator::v1::estimator_service_client::EstimatorServiceClient;
use agespan_proto::estimator::v1::{BatchEstimateAgeRequest, BatchEstimateAgeResponse};
use tonic::{Status, Streaming};

use crate::{Client, Connection};

/// Samples with their images, a message of the dataset service at a time.
#[derive(Debug)]
pub struct SplitSamples {
    messages: Streaming<StreamSamplesResponse>,
    resume_token: String,
}

impl SplitSamples {
    /// Begins to read the split `split` of the data set `name`.
    pub async fn begin(dataset: &Client, name: &str, split: Split) -> Result<Self, Status> {
        Self::go_on(dataset, name, split, String::new()).await
    }

    /// Goes on after the samples that came with this token; from the first on where it is empty.
    pub async fn go_on(
        dataset: &Client,
        name: &str,
        split: Split,
        resume_token: String,
    ) -> Result<Self, Status> {
        let request = StreamSamplesRequest {
            name: name.to_owned(),
            split: split.into(),
            resume_token: resume_token.clone(),
            ..Default::default()
        };
        let messages = dataset.datasets().stream_samples(request).await?.into_inner();
        Ok(Self { messages, resume_token })
    }

    /// The next few samples; none at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<SampleImage>>, Status> {
        let Some(message) = self.messages.message().await? else { return Ok(None) };
        self.resume_token = message.resume_token;
        Ok(Some(message.samples))
    }

    /// Where to go on after the samples that came last.
    pub fn resume_token(&self) -> &str {
        &self.resume_token
    }
}

/// Samples and their estimates, a message of the dataset service at a time.
#[derive(Debug)]
pub struct SplitEstimates {
    samples: SplitSamples,
    estimator: EstimatorServiceClient<Connection>,
    asked: BatchEstimateAgeRequest,
}

impl SplitEstimates {
    /// Begins to read the split `split` of the data set `name`. `asked` says how its faces are
    /// estimated; its images are left empty.
    pub async fn begin(
        dataset: &Client,
        estimator: &Client,
        name: &str,
        split: Split,
        asked: BatchEstimateAgeRequest,
    ) -> Result<Self, Status> {
        let samples = SplitSamples::begin(dataset, name, split).await?;
        Ok(Self::of(samples, estimator, asked))
    }

    /// Estimates of these samples.
    pub fn of(samples: SplitSamples, estimator: &Client, asked: BatchEstimateAgeRequest) -> Self {
        Self { samples, estimator: estimator.estimator(), asked }
    }

    /// Where to go on after the samples that came last.
    pub fn resume_token(&self) -> &str {
        self.samples.resume_token()
    }

    /// The labels of the next few samples and what is said of them; none at the end. The model of
    /// the first answer is asked for the rest: "the active one" must not change half-way through.
    pub async fn next(
        &mut self,
    ) -> Result<Option<(Vec<Sample>, BatchEstimateAgeResponse)>, Status> {
        let Some(samples) = self.samples.next().await? else { return Ok(None) };
        let (labels, images) = samples
            .into_iter()
            .map(|sample| (sample.sample.unwrap_or_default(), sample.image))
            .unzip();
        let request = BatchEstimateAgeRequest { images, ..self.asked.clone() };
        let answer = self.estimator.batch_estimate_age(request).await?.into_inner();
        self.asked.model.clone_from(&answer.model);
        Ok(Some((labels, answer)))
    }
}
