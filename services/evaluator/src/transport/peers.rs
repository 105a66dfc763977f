//! Calls to the dataset service and the estimator: the faces of a split, and what is said of them.

use agespan_client::{Client, SplitEstimates, SplitSamples};
use agespan_conformal::{Coverage, Document, Prediction};
use agespan_jobs::JobFailure;
use agespan_proto::age::v1::Gender;
use agespan_proto::calibrator::v1::GetCalibrationRequest;
use agespan_proto::dataset::v1 as dataset;
use agespan_proto::estimator::v1::{self as estimator, image_result::Outcome};
use agespan_service::Platform;
use agespan_service::transport::{peer_failure, prediction_from_proto};

use super::Answered;
use crate::metrics::Row;
use crate::worker::{Evaluation, Split};

/// What the estimator said of a split.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) split_hash: String,
    pub(crate) model: String,
    pub(crate) calibration: String,
    pub(crate) rows: Vec<Row>,
    /// What the interval of each row was made from.
    pub(crate) predictions: Vec<Prediction>,
    pub(crate) refused: u64,
    /// Faces that are in no figure, since their age label is a range.
    pub(crate) range_labelled: u64,
}

/// The services that are asked.
#[derive(Clone, Debug)]
pub struct Peers {
    pub(super) dataset: Client,
    pub(super) estimator: Client,
    pub(super) calibrator: Client,
    pub(super) generator: Client,
}

impl Peers {
    /// The platform's.
    pub fn new(platform: &Platform) -> Self {
        Self {
            dataset: platform.dataset.clone(),
            estimator: platform.estimator.clone(),
            calibrator: platform.calibrator.clone(),
            generator: platform.generator.clone(),
        }
    }

    /// Nobody: for sets of this machine.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let nobody = Client::new("http://127.0.0.1:1").expect("an address");
        Self {
            dataset: nobody.clone(),
            estimator: nobody.clone(),
            calibrator: nobody.clone(),
            generator: nobody,
        }
    }

    /// Asks a model about every face of a split; the active one when it is empty. It goes on after what
    /// was `answered`. `progress` is told faces done and in all.
    pub(crate) async fn ask(
        &self,
        job: &Evaluation,
        model: &str,
        answered: &mut Answered,
        progress: impl Fn(u64, u64),
    ) -> Result<Answers, JobFailure> {
        let split = split_to_proto(job.split);
        let summary = self.summary(&job.dataset, split).await?;
        let mut answers = Answers {
            split_hash: summary.content_hash,
            model: model.to_owned(),
            ..Answers::default()
        };
        let (before, resume_token) = answered.so_far(model, &answers.split_hash).await;
        for (labels, answer) in before {
            answers.take(labels, answer)?;
        }
        let asked = estimator::BatchEstimateAgeRequest {
            coverage: Some(job.coverage),
            // The one that has answered before, whichever is active by now.
            model: answers.model.clone(),
            include_distribution: true,
            ..Default::default()
        };
        let samples = SplitSamples::go_on(&self.dataset, &job.dataset, split, resume_token).await;
        let samples = samples.map_err(peer_failure)?;
        let mut estimates = SplitEstimates::of(samples, &self.estimator, asked);
        while let Some((labels, answer)) = estimates.next().await.map_err(peer_failure)? {
            answered.add(model, &labels, &answer, estimates.resume_token()).await;
            answers.take(labels, answer)?;
            progress(answers.seen(), summary.sample_count);
        }
        Ok(answers)
    }

    /// A calibration with all its scores and people.
    pub(crate) async fn document(&self, name: &str) -> Result<Document, JobFailure> {
        let request = GetCalibrationRequest { name: name.to_owned(), include_document: true };
        let answer = self.calibrator.calibrator().get_calibration(request).await;
        let document = answer.map_err(peer_failure)?.into_inner().document;
        Document::from_json(&document).map_err(|error| JobFailure::permanent("CALIBRATION", error))
    }

    pub(super) async fn summary(
        &self,
        name: &str,
        split: dataset::Split,
    ) -> Result<dataset::SplitSummary, JobFailure> {
        let request = dataset::GetSplitsRequest { name: name.to_owned() };
        let answer = self.dataset.datasets().get_splits(request).await.map_err(peer_failure)?;
        let summary = answer.into_inner().splits.into_iter().find(|part| part.split() == split);
        summary.ok_or_else(|| JobFailure::permanent("NO_FACES", "the data set has no such split"))
    }
}

impl Answers {
    fn seen(&self) -> u64 {
        self.rows.len() as u64 + self.refused + self.range_labelled
    }

    /// Gives each row the interval that another calibration of the model makes.
    pub(crate) fn calibrate(
        &mut self,
        name: &str,
        document: &Document,
        coverage: Coverage,
    ) -> Result<(), JobFailure> {
        if document.model != self.model {
            let message = format!("{name} is of {} and not of {}", document.model, self.model);
            return Err(JobFailure::permanent("BASELINE", message));
        }
        name.clone_into(&mut self.calibration);
        let at = document.calibration.at(coverage);
        for (row, prediction) in self.rows.iter_mut().zip(&self.predictions) {
            let interval = at.interval(prediction);
            row.interval = (interval.lower, interval.upper);
            row.group = interval.group;
        }
        Ok(())
    }

    fn take(
        &mut self,
        labels: Vec<dataset::Sample>,
        answer: estimator::BatchEstimateAgeResponse,
    ) -> Result<(), JobFailure> {
        same_throughout(&mut self.model, &mut self.calibration, &answer)?;
        for (result, label) in answer.results.into_iter().zip(labels) {
            match result.outcome {
                Some(Outcome::Estimates(_)) if label.age_range.is_some() => {
                    self.range_labelled += 1;
                }
                Some(Outcome::Estimates(estimates)) => {
                    for face in &estimates.faces {
                        match row(face, &label) {
                            Some((row, prediction)) => {
                                self.rows.push(row);
                                self.predictions.push(prediction);
                            }
                            None => self.refused += 1,
                        }
                    }
                }
                _ => self.refused += 1,
            }
        }
        Ok(())
    }
}

/// A report is about one model and one calibration. The model is pinned by the first answer; a
/// calibration cannot be asked for by name, so a change of it ends the evaluation.
pub(super) fn same_throughout(
    model: &mut String,
    calibration: &mut String,
    answer: &estimator::BatchEstimateAgeResponse,
) -> Result<(), JobFailure> {
    if answer.calibration.is_empty() {
        let message = format!("{} has no active calibration; calibrate it first", answer.model);
        return Err(JobFailure::permanent("NOT_CALIBRATED", message));
    }
    if !calibration.is_empty() && *calibration != answer.calibration {
        let message = "another calibration became active half-way through; evaluate again";
        return Err(JobFailure::permanent("CALIBRATION_CHANGED", message));
    }
    model.clone_from(&answer.model);
    calibration.clone_from(&answer.calibration);
    Ok(())
}

/// A face with both labels and an interval; none counts as refused, so that no face is lost.
fn row(face: &estimator::FaceEstimate, label: &dataset::Sample) -> Option<(Row, Prediction)> {
    let interval = face.interval.as_ref()?;
    let prediction = prediction_from_proto(face).ok()?;
    let row = Row {
        path: label.path.clone(),
        age: f64::from(label.age?),
        female: match label.gender() {
            Gender::Unspecified => None,
            gender => Some(gender == Gender::Female),
        },
        estimate: face.age,
        interval: (interval.lower, interval.upper),
        group: interval.group.clone(),
        answered_female: face.gender() == Gender::Female,
        probability_female: face.probability_female,
        race: label.race.clone(),
    };
    Some((row, prediction))
}

pub(super) fn split_to_proto(split: Split) -> dataset::Split {
    match split {
        Split::Train => dataset::Split::Train,
        Split::Validation => dataset::Split::Validation,
        Split::Calibration => dataset::Split::Calibration,
        Split::Test => dataset::Split::Test,
    }
}
