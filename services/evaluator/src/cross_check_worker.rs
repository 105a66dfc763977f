//! The cross-check on drawn faces as a job.

use agespan_conformal::Coverage;
use agespan_jobs::{Handler, JobContext, JobFailure};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::cross_check::{CrossCheck, Second, measure, shifted};
use crate::reports::{AnyReport, Reports};
use crate::transport::Peers;

/// Kind of the job.
pub const KIND: &str = "cross-check-generated";

/// What the job is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// "jobs/{id}" of a generation.
    pub generated: String,
    /// "models/{id}"; the active one when empty.
    pub model: String,
    /// Coverage of the intervals.
    pub coverage: f64,
    /// "models/{id}" of a second predictor; none when empty.
    #[serde(default)]
    pub second_model: String,
    /// "datasets/{id}" whose calibration split shows what real faces are like; none when empty.
    pub dataset: String,
}

/// Works on cross-checks.
#[derive(Debug)]
pub struct CrossChecker {
    /// The services that are asked.
    pub peers: Peers,
    /// Where reports go.
    pub reports: Reports,
}

#[async_trait]
impl Handler for CrossChecker {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let asked: Asked = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("PAYLOAD", error))?;
        let report = tokio::select! {
            report = self.check(asked, context) => report?,
            () = context.cancelled().cancelled() => {
                return Err(JobFailure::retryable("STOPPED", "the cross-check was stopped"));
            }
        };
        self.reports.publish(AnyReport::CrossCheck(Box::new(report))).await
    }
}

impl CrossChecker {
    async fn check(&self, asked: Asked, context: &JobContext) -> Result<CrossCheck, JobFailure> {
        let coverage = Coverage::new(asked.coverage)
            .map_err(|error| JobFailure::permanent("COVERAGE", error))?;
        let mut drawn = self
            .peers
            .drawn_estimates(&asked, |done| {
                context.note_progress(done, 0, "asking the estimator about drawn faces");
            })
            .await?;
        // Counts never go back.
        let count = drawn.seen();
        let mut effective = None;
        if !asked.dataset.is_empty() {
            context.note_progress(count, 0, "asking the estimator about real faces");
            effective = Some(self.peers.shift(&asked, &mut drawn).await?);
        }
        let mut second = None;
        if !asked.second_model.is_empty() {
            context.note_progress(count, 0, "asking the second predictor");
            second = Some(self.peers.second_estimates(&asked, &mut drawn.rows).await?);
        }
        let Some((line, agreement)) = measure(&drawn.rows, coverage) else {
            let message = format!(
                "{} has no two estimated images of different prompted ages; draw a grid",
                asked.generated
            );
            return Err(JobFailure::permanent("ONE_PROMPT", message));
        };
        Ok(CrossCheck {
            generated: asked.generated,
            pipeline: drawn.pipeline,
            model: drawn.model,
            calibration: drawn.calibration,
            coverage: asked.coverage,
            refused: drawn.refused,
            line,
            agreement,
            shifted: effective.and_then(|effective| shifted(&drawn.rows, effective)),
            second: second.and_then(|name| Second::of(&drawn.rows, name, coverage)),
            rows: drawn.rows,
        })
    }
}
