//! The evaluation of the estimator as a job.

use agespan_conformal::{Coverage, Document};
use agespan_jobs::{Handler, JobContext, JobFailure};
use agespan_storage::{Artifact, Storage};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::diagnostics::diagnose;
use crate::metrics::{Comparison, check_age, measure};
use crate::reports::{AnyReport, Report, Reports};
use crate::transport::{Answered, Answers, Peers};

/// Kind of the job.
pub const KIND: &str = "evaluate-estimator";

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For fitting weights.
    Train,
    /// For every choice.
    Validation,
    /// For calibration.
    Calibration,
    /// For figures that are reported.
    Test,
}

impl Split {
    /// As it is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Calibration => "calibration",
            Self::Test => "test",
        }
    }
}

/// What the job is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// "datasets/{id}".
    pub dataset: String,
    /// The part of it.
    pub split: Split,
    /// "models/{id}"; the active one when empty.
    pub model: String,
    /// Coverage of the intervals.
    pub coverage: f64,
    /// Ages that "at least T?" is asked about.
    #[serde(default)]
    pub ages: Vec<u32>,
    /// The rate of wrong passes that these checks certify.
    #[serde(default)]
    pub false_pass_rate: f64,
    /// What is compared with; none when empty.
    #[serde(default)]
    pub baseline: Baseline,
}

/// Another model or calibration, asked about the same faces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// "models/{id}"; the evaluated one when empty.
    pub model: String,
    /// "calibrations/{id}"; the model's active one when empty.
    pub calibration: String,
}

/// Works on evaluations.
#[derive(Debug)]
pub struct Evaluator {
    /// The services that are asked.
    pub peers: Peers,
    /// Where reports go.
    pub reports: Reports,
    /// Where answers are until the report is there.
    pub storage: Storage,
}

#[async_trait]
impl Handler for Evaluator {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let job: Evaluation = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("PAYLOAD", error))?;
        let mut answered = Answered::new(self.storage.clone(), context.clone());
        let evaluated = self.evaluate(job, context, &mut answered).await;
        if context.is_over(&evaluated) {
            answered.forget().await;
        }
        evaluated
    }
}

fn no_faces(answers: &Answers) -> JobFailure {
    let message = format!(
        "the split has no faces whose age is known to the year; {} have a range",
        answers.range_labelled
    );
    JobFailure::permanent("NO_FACES", message)
}

/// The report of these answers, whose intervals this calibration made.
fn judge(
    job: Evaluation,
    answers: Answers,
    document: &Document,
    baseline: Option<Answers>,
    rows: Artifact,
    coverage: Coverage,
) -> Result<Report, JobFailure> {
    let metrics = measure(&answers.rows, coverage).ok_or_else(|| no_faces(&answers))?;
    let rate = Coverage::new(job.false_pass_rate).ok();
    let check = |&age: &u32| Some(check_age(&answers.rows, &document.people, age, rate?));
    let compare = |baseline: Answers| {
        let name = (baseline.model, baseline.calibration);
        Comparison::of(&answers.rows, name, &baseline.rows, coverage)
    };
    let (predictions, calibration) = (&answers.predictions, &document.calibration);
    Ok(Report {
        age_checks: job.ages.iter().filter_map(check).collect(),
        comparison: baseline.and_then(compare),
        rows: Some(rows),
        diagnostics: Some(diagnose(&answers.rows, predictions, calibration, coverage)),
        dataset: job.dataset,
        split_hash: answers.split_hash,
        model: answers.model,
        calibration: answers.calibration,
        coverage: job.coverage,
        refused: answers.refused,
        range_labelled: answers.range_labelled,
        metrics,
    })
}

impl Evaluator {
    async fn evaluate(
        &self,
        job: Evaluation,
        context: &JobContext,
        answered: &mut Answered,
    ) -> Result<String, JobFailure> {
        let coverage = Coverage::new(job.coverage)
            .map_err(|error| JobFailure::permanent("COVERAGE", error))?;
        let answers = self.ask(&job, (&job.model, false), context, answered).await?;
        if answers.rows.is_empty() {
            return Err(no_faces(&answers));
        }
        let document = self.peers.document(&answers.calibration).await?;
        let baseline = self.baseline(&job, &answers, coverage, context, answered).await?;
        let rows = self.reports.insert_rows(&answers.rows).await?;
        // Thousands of resamples of each group: nothing for a thread that serves requests.
        let judge = move || judge(job, answers, &document, baseline, rows, coverage);
        let judged = tokio::task::spawn_blocking(judge).await;
        let report = judged.map_err(|error| JobFailure::retryable("JUDGE", error))??;
        self.reports.publish(AnyReport::Estimator(Box::new(report))).await
    }

    /// Asks about every face, following the job's cancellation; `before`: another model has been.
    async fn ask(
        &self,
        job: &Evaluation,
        (model, before): (&str, bool),
        context: &JobContext,
        answered: &mut Answered,
    ) -> Result<Answers, JobFailure> {
        let (times, before) = (1 + u64::from(!job.baseline.model.is_empty()), u64::from(before));
        let progress = |done, faces| {
            context.note_progress(before * faces + done, times * faces, "asking the estimator");
        };
        tokio::select! {
            answers = self.peers.ask(job, model, answered, progress) => answers,
            () = context.cancelled().cancelled() => {
                Err(JobFailure::retryable("STOPPED", "the evaluation was stopped"))
            }
        }
    }

    /// What the baseline says of the same faces, where one is named.
    async fn baseline(
        &self,
        job: &Evaluation,
        answers: &Answers,
        coverage: Coverage,
        context: &JobContext,
        answered: &mut Answered,
    ) -> Result<Option<Answers>, JobFailure> {
        let Baseline { model, calibration } = &job.baseline;
        let mut baseline = match (model.is_empty(), calibration.is_empty()) {
            (true, true) => return Ok(None),
            (true, false) => answers.clone(),
            (false, _) => self.ask(job, (model, true), context, answered).await?,
        };
        if !calibration.is_empty() {
            baseline.calibrate(calibration, &self.peers.document(calibration).await?, coverage)?;
        }
        Ok(Some(baseline))
    }
}
