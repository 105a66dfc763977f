//! Fitting thresholds and making intervals from them.
//!
//! Split conformal prediction: the threshold of a group is the k-th smallest of its calibration
//! scores, k = ⌈(n+1)·coverage⌉ ([`rank`]); the interval holds every possible age whose score is
//! at most that. For a face exchangeable with the calibration faces,
//! P(truth ∈ interval | group) ≥ coverage. The sorted scores are kept, not one quantile of them,
//! so that any level can be asked for later.
//!
//! Source: Papadopoulos et al., *Inductive Confidence Machines for Regression* (2002); Lei et al.,
//! *Distribution-Free Predictive Inference for Regression* (2018), theorem 2.

mod artifact;

use serde::{Deserialize, Serialize};

use crate::group::position;
use crate::{AgeSupport, Coverage, Group, Grouping, MIN_GROUP, Prediction, Score, rank};

pub use artifact::{ArtifactError, FORMAT, InvalidCalibration};

/// What is to be fitted. Decided before the calibration scores are seen: choosing among several
/// by their width belongs on validation data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalibrationSpec {
    /// How far a truth lies from a prediction.
    pub score: Score,
    /// Inside which groups coverage shall hold.
    pub grouping: Grouping,
    /// The least number of calibration members of a group: smaller neighbours are merged. With 0
    /// even empty groups stay, and answer with the whole support.
    pub min_group: usize,
}

impl CalibrationSpec {
    /// Groups of at least [`MIN_GROUP`] members.
    pub fn new(score: Score, grouping: Grouping) -> Self {
        Self { score, grouping, min_group: MIN_GROUP }
    }
}

/// Why calibration data were refused. Rows are counted from 0, as they came.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FitError {
    /// No row at all.
    #[error("there is nothing to calibrate on: no rows")]
    Empty,
    /// A true age that is NaN or infinite.
    #[error("row {row}: the true age is {truth}, not a finite number")]
    TruthNotFinite {
        /// The row, from 0.
        row: usize,
        /// What stood there.
        truth: f64,
    },
    /// A true age outside the support. Dropping it would break the guarantee for such faces: the
    /// support is too narrow or the label is wrong.
    #[error("row {row}: the true age {truth} lies outside the ages {lower} to {upper}")]
    TruthOutsideSupport {
        /// The row, from 0.
        row: usize,
        /// The true age in years.
        truth: f64,
        /// The least possible age in years.
        lower: f64,
        /// The greatest possible age in years.
        upper: f64,
    },
    /// A predicted age outside the support.
    #[error("row {row}: the predicted age {mean} lies outside the ages {lower} to {upper}")]
    PredictionOutsideSupport {
        /// The row, from 0.
        row: usize,
        /// The predicted age in years.
        mean: f64,
        /// The least possible age in years.
        lower: f64,
        /// The greatest possible age in years.
        upper: f64,
    },
}

/// A group and the scores of its calibration members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedGroup {
    #[serde(flatten)]
    group: Group,
    scores: Vec<f64>,
}

impl CalibratedGroup {
    /// Its name and bounds.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The scores of its calibration members, ascending.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// The score up to which an age is inside the interval; `None` when no finite threshold
    /// keeps `coverage` with so few members.
    pub fn threshold(&self, coverage: Coverage) -> Option<f64> {
        let k = rank(self.scores.len(), coverage)?;
        self.scores.get(k.checked_sub(1)?).copied()
    }
}

/// Sorted calibration scores per group: everything that is needed to make intervals at any level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "artifact::Contents", into = "artifact::Contents")]
pub struct Calibration {
    spec: CalibrationSpec,
    support: AgeSupport,
    groups: Vec<CalibratedGroup>,
}

/// The ages that contain the truth with a given probability, and where that is known from.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// The least age inside, in years.
    pub lower: f64,
    /// The greatest age inside, in years.
    pub upper: f64,
    /// The level that was asked for.
    pub coverage: Coverage,
    /// The name of the group that the prediction fell into.
    pub group: String,
    /// How many calibration members that group has.
    pub group_size: usize,
    /// False when the group is too small for this level: the interval is then the whole support.
    pub sufficient: bool,
}

impl Calibration {
    /// Fits on predictions and the true ages (years) that belong to them. The order of the rows
    /// does not matter.
    ///
    /// The rows must be exchangeable with the faces to come, and must not have been used to train
    /// or tune the predictor.
    ///
    /// # Errors
    ///
    /// [`FitError::Empty`] without rows; else the first row whose truth is not finite or not in
    /// `support`, or whose predicted age is not in `support`.
    pub fn fit(
        spec: CalibrationSpec,
        support: AgeSupport,
        rows: impl IntoIterator<Item = (Prediction, f64)>,
    ) -> Result<Self, FitError> {
        let rows = rows
            .into_iter()
            .enumerate()
            .map(|(row, (prediction, truth))| {
                check(row, support, &prediction, truth)?;
                let score = spec.score.of(&prediction, truth);
                Ok((prediction, score))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Err(FitError::Empty);
        }
        let means = rows.iter().map(|(prediction, _)| prediction.mean());
        let mut groups: Vec<CalibratedGroup> = spec
            .grouping
            .partition(support, spec.min_group, means)
            .into_iter()
            .map(|group| CalibratedGroup { group, scores: Vec::new() })
            .collect();
        for (prediction, score) in &rows {
            let position = position(groups.iter().map(|group| group.group.from), prediction);
            groups[position].scores.push(*score);
        }
        for group in &mut groups {
            group.scores.sort_by(f64::total_cmp);
        }
        Ok(Self { spec, support, groups })
    }

    /// The ages that contain the truth with probability `coverage` or more, intersected with the
    /// support: lower ≤ upper, both possible ages.
    ///
    /// Where no age of the support qualifies, which takes a prediction outside of it, the interval
    /// is the nearest possible age: that can only add coverage.
    pub fn interval(&self, prediction: &Prediction, coverage: Coverage) -> Interval {
        let group = self.group_of(prediction);
        let threshold = group.threshold(coverage);
        let (lower, upper) = match threshold {
            Some(threshold) => self.possible(self.spec.score.interval(prediction, threshold)),
            None => (self.support.lower(), self.support.upper()),
        };
        Interval {
            lower,
            upper,
            coverage,
            group: group.group.name.clone(),
            group_size: group.scores.len(),
            sufficient: threshold.is_some(),
        }
    }

    /// The threshold of the group with that name; `None` when there is no such group, or when it
    /// is too small for `coverage` (the threshold is then infinite).
    pub fn threshold(&self, group: &str, coverage: Coverage) -> Option<f64> {
        let mut groups = self.groups.iter();
        groups.find(|candidate| candidate.group.name == group)?.threshold(coverage)
    }

    /// The one group that a prediction falls into.
    pub fn group_of(&self, prediction: &Prediction) -> &CalibratedGroup {
        let starts = self.groups.iter().map(|group| group.group.from);
        &self.groups[position(starts, prediction)]
    }

    /// What was fitted.
    pub fn spec(&self) -> CalibrationSpec {
        self.spec
    }

    /// The ages that are possible.
    pub fn support(&self) -> AgeSupport {
        self.support
    }

    /// The groups, youngest first: a partition of the support.
    pub fn groups(&self) -> &[CalibratedGroup] {
        &self.groups
    }

    /// How many faces it was fitted on, all groups together.
    pub fn size(&self) -> usize {
        self.groups.iter().map(|group| group.scores.len()).sum()
    }

    fn possible(&self, (lower, upper): (f64, f64)) -> (f64, f64) {
        let (lower, upper) = (self.support.clamp(lower), self.support.clamp(upper));
        if lower <= upper {
            (lower, upper)
        } else {
            // Empty, which only a negative threshold makes: the point between its ends.
            let middle = lower.midpoint(upper);
            (middle, middle)
        }
    }
}

fn check(
    row: usize,
    support: AgeSupport,
    prediction: &Prediction,
    truth: f64,
) -> Result<(), FitError> {
    let (lower, upper) = (support.lower(), support.upper());
    if !truth.is_finite() {
        return Err(FitError::TruthNotFinite { row, truth });
    }
    if !support.contains(truth) {
        return Err(FitError::TruthOutsideSupport { row, truth, lower, upper });
    }
    let mean = prediction.mean();
    if !support.contains(mean) {
        return Err(FitError::PredictionOutsideSupport { row, mean, lower, upper });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
