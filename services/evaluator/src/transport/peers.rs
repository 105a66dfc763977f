//! Calls to the dataset service and the estimator: the faces of a split, and what is said of them.

use agespan_client::{AddressError, Client};
use agespan_jobs::JobFailure;
use agespan_proto::age::v1::Gender;
use agespan_proto::dataset::v1 as dataset;
use agespan_proto::estimator::v1::{self as estimator, image_result::Outcome};
use agespan_service::transport::peer_failure;

use crate::metrics::Row;
use crate::worker::{Evaluation, Split};

/// What the estimator said of a split.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) split_hash: String,
    pub(crate) model: String,
    pub(crate) calibration: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) refused: u64,
}

/// The services that are asked.
#[derive(Clone, Debug)]
pub struct Peers {
    dataset: Client,
    estimator: Client,
}

impl Peers {
    /// At these addresses; nothing is contacted yet.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(dataset_url: &str, estimator_url: &str) -> Result<Self, AddressError> {
        Ok(Self { dataset: Client::new(dataset_url)?, estimator: Client::new(estimator_url)? })
    }

    /// Asks the estimator about every face of a split. `progress` is told faces done and in all.
    pub(crate) async fn ask(
        &self,
        job: &Evaluation,
        progress: impl Fn(u64, u64),
    ) -> Result<Answers, JobFailure> {
        let split = split_to_proto(job.split);
        let summary = self.summary(&job.dataset, split).await?;
        let mut answers = Answers {
            split_hash: summary.content_hash,
            model: job.model.clone(),
            ..Answers::default()
        };
        let request =
            dataset::StreamSamplesRequest { name: job.dataset.clone(), split: split.into() };
        let mut samples = self
            .dataset
            .datasets()
            .stream_samples(request)
            .await
            .map_err(|status| peer_failure(&status))?
            .into_inner();
        while let Some(message) = samples.message().await.map_err(|status| peer_failure(&status))? {
            self.ask_batch(message.samples, job.coverage, &mut answers).await?;
            progress(answers.rows.len() as u64 + answers.refused, summary.sample_count);
        }
        Ok(answers)
    }

    async fn summary(
        &self,
        name: &str,
        split: dataset::Split,
    ) -> Result<dataset::SplitSummary, JobFailure> {
        let request = dataset::GetSplitsRequest { name: name.to_owned() };
        let answer = self
            .dataset
            .datasets()
            .get_splits(request)
            .await
            .map_err(|status| peer_failure(&status))?;
        let summary = answer.into_inner().splits.into_iter().find(|part| part.split() == split);
        summary.ok_or_else(|| JobFailure::permanent("NO_FACES", "the data set has no such split"))
    }

    async fn ask_batch(
        &self,
        samples: Vec<dataset::SampleImage>,
        coverage: f64,
        answers: &mut Answers,
    ) -> Result<(), JobFailure> {
        let mut labels = Vec::with_capacity(samples.len());
        let mut images = Vec::with_capacity(samples.len());
        for sample in samples {
            labels.push(sample.sample.unwrap_or_default());
            images.push(sample.image);
        }
        let request = estimator::BatchEstimateAgeRequest {
            images,
            coverage: Some(coverage),
            model: answers.model.clone(),
            ..Default::default()
        };
        let mut client = self.estimator.estimator();
        let answer = client
            .batch_estimate_age(request)
            .await
            .map_err(|status| peer_failure(&status))?
            .into_inner();
        same_throughout(answers, &answer)?;
        for (result, label) in answer.results.into_iter().zip(labels) {
            match result.outcome {
                Some(Outcome::Estimates(estimates)) => {
                    answers
                        .rows
                        .extend(estimates.faces.iter().filter_map(|face| row(face, &label)));
                }
                _ => answers.refused += 1,
            }
        }
        Ok(())
    }
}

/// A report is about one model and one calibration. The model is pinned by the first answer; a
/// calibration cannot be asked for by name, so a change of it ends the evaluation.
fn same_throughout(
    answers: &mut Answers,
    answer: &estimator::BatchEstimateAgeResponse,
) -> Result<(), JobFailure> {
    if answer.calibration.is_empty() {
        let message = format!("{} has no active calibration; calibrate it first", answer.model);
        return Err(JobFailure::permanent("NOT_CALIBRATED", message));
    }
    if !answers.calibration.is_empty() && answers.calibration != answer.calibration {
        let message = "another calibration became active half-way through; evaluate again";
        return Err(JobFailure::permanent("CALIBRATION_CHANGED", message));
    }
    answers.model.clone_from(&answer.model);
    answers.calibration.clone_from(&answer.calibration);
    Ok(())
}

/// A face with both labels and an interval.
fn row(face: &estimator::FaceEstimate, label: &dataset::Sample) -> Option<Row> {
    let interval = face.interval.as_ref()?;
    Some(Row {
        age: f64::from(label.age?),
        female: label.gender() == Gender::Female,
        estimate: face.age,
        interval: (interval.lower, interval.upper),
        group: interval.group.clone(),
        answered_female: face.gender() == Gender::Female,
    })
}

fn split_to_proto(split: Split) -> dataset::Split {
    match split {
        Split::Train => dataset::Split::Train,
        Split::Validation => dataset::Split::Validation,
        Split::Calibration => dataset::Split::Calibration,
        Split::Test => dataset::Split::Test,
    }
}
