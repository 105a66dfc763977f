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
mod diff;
mod fitting;
mod interval;

use serde::{Deserialize, Serialize};

use crate::group::{Axis, position};
use crate::{
    AgeSupport, Coverage, Group, Grouping, MIN_GROUP, Part, Prediction, Score, Slice, rank,
};

pub use artifact::{ArtifactError, FORMAT, InvalidCalibration};
pub use diff::{GroupDiff, GroupSide, diff};
pub use fitting::Fitting;
pub use interval::{AtLevel, Bounds, Interval};

/// What is to be fitted. Decided before the calibration scores are seen: choosing among several
/// by their width belongs on validation data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalibrationSpec {
    /// How far a truth lies from a prediction.
    pub score: Score,
    /// Inside which groups coverage shall hold.
    pub grouping: Grouping,
    /// The least number of calibration members of a group: smaller neighbours are merged. With 0
    /// even empty groups stay, and answer with the whole support. Whole slices are never merged.
    pub min_group: usize,
}

impl CalibrationSpec {
    /// Groups of at least [`MIN_GROUP`] members.
    pub fn new(score: Score, grouping: Grouping) -> Self {
        Self { score, grouping, min_group: MIN_GROUP }
    }

    /// Whether it needs more of a prediction than its numbers.
    pub(crate) fn is_demanding(&self) -> bool {
        self.score.needs().is_some() || self.grouping.needs().is_some()
    }

    /// What a prediction lacks that the score or the groups need.
    #[inline]
    pub fn lacks(&self, prediction: &Prediction) -> Option<Part> {
        let lacks = |part: &Part| match part {
            Part::Distribution => prediction.distribution().is_none(),
            Part::Gender => prediction.female().is_none(),
            Part::Label => prediction.label().is_none(),
        };
        [self.score.needs(), self.grouping.needs()].into_iter().flatten().find(lacks)
    }
}

/// Why calibration data were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// No row at all.
    #[error("there is nothing to calibrate on: no rows")]
    Empty,
    /// One of the rows.
    #[error("row {row}: {error}")]
    Row {
        /// The row, from 0, as they came.
        row: usize,
        /// What is wrong with it.
        error: RowError,
    },
}

/// Why a row of calibration data was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowError {
    /// A true age that is NaN or infinite.
    #[error("the true age is {truth}, not a finite number")]
    TruthNotFinite {
        /// What stood there.
        truth: f64,
    },
    /// A true age outside the support. Dropping it would break the guarantee for such faces: the
    /// support is too narrow or the label is wrong.
    #[error("the true age {truth} lies outside the ages {lower} to {upper}")]
    TruthOutsideSupport {
        /// The true age in years.
        truth: f64,
        /// The least possible age in years.
        lower: f64,
        /// The greatest possible age in years.
        upper: f64,
    },
    /// A prediction without something that the score or the groups need.
    #[error("the prediction has no {part}, which {spec} needs")]
    Lacks {
        /// What is missing.
        part: Part,
        /// The score and the grouping.
        spec: String,
    },
    /// A predicted age outside the support.
    #[error("the predicted age {mean} lies outside the ages {lower} to {upper}")]
    PredictionOutsideSupport {
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

impl Calibration {
    /// Fits on predictions and the true ages (years) that belong to them. The order of the rows
    /// does not matter. Rows that come in pieces go through [`Fitting`].
    ///
    /// The rows must be exchangeable with the faces to come, and must not have been used to train
    /// or tune the predictor.
    ///
    /// # Errors
    ///
    /// [`FitError::Empty`] without rows; else the first row that [`Fitting::add`] refuses.
    pub fn fit(
        spec: CalibrationSpec,
        support: AgeSupport,
        rows: impl IntoIterator<Item = (Prediction, f64)>,
    ) -> Result<Self, FitError> {
        let mut fitting = Fitting::new(spec, support);
        for (prediction, truth) in rows {
            fitting.add(&prediction, truth)?;
        }
        fitting.finish()
    }

    /// What a prediction lacks that the score or the groups need.
    pub fn lacks(&self, prediction: &Prediction) -> Option<Part> {
        self.spec.lacks(prediction)
    }

    /// The ages that contain the truth with probability `coverage` or more, as possible ages,
    /// lower ≤ upper. The predicted age is always inside, which can only add coverage.
    ///
    /// A prediction that [`lacks`](Self::lacks) something, or falls into no group, gets the whole
    /// support, flagged as insufficient.
    pub fn interval(&self, prediction: &Prediction, coverage: Coverage) -> Interval {
        self.at(coverage).interval(prediction)
    }

    /// The thresholds at one level, for many intervals.
    pub fn at(&self, coverage: Coverage) -> AtLevel<'_> {
        AtLevel::new(self, coverage)
    }

    /// The threshold of the group with that name; `None` when there is no such group, or when it
    /// is too small for `coverage` (the threshold is then infinite).
    pub fn threshold(&self, group: &str, coverage: Coverage) -> Option<f64> {
        let mut groups = self.groups.iter();
        groups.find(|candidate| candidate.group.name == group)?.threshold(coverage)
    }

    /// The one group that a prediction falls into. None when the prediction lacks what the groups
    /// need, its slice was not calibrated, or groups go by true age.
    pub fn group_of(&self, prediction: &Prediction) -> Option<&CalibratedGroup> {
        self.groups.get(self.place(prediction)?)
    }

    /// Its position among the groups, which are in order of slice and age. An age below a slice's
    /// first group belongs to that one.
    fn place(&self, prediction: &Prediction) -> Option<usize> {
        if self.spec.grouping.axis() == Some(Axis::True) {
            return None;
        }
        let slice = self.spec.grouping.slice(prediction)?;
        let of_slice = match slice {
            Slice::Everyone => 0..self.groups.len(),
            slice => {
                let begin = self.groups.partition_point(|group| group.group.slice < slice);
                let rest = &self.groups[begin..];
                begin..begin + rest.partition_point(|group| group.group.slice == slice)
            }
        };
        let mean = prediction.mean();
        // A dozen at most: counting them all has no branch to guess wrong, which a search has.
        let groups = &self.groups[of_slice.clone()];
        let begun = groups.iter().filter(|group| group.group.from <= mean).count();
        (!of_slice.is_empty()).then(|| of_slice.start + begun.saturating_sub(1))
    }

    /// The group whose promise holds a true age, where groups go by true age.
    pub fn group_of_truth(&self, truth: f64) -> Option<&CalibratedGroup> {
        if self.spec.grouping.axis() != Some(Axis::True) {
            return None;
        }
        let starts = self.groups.iter().map(|group| group.group.from);
        self.groups.get(position(starts, truth))
    }

    /// What was fitted.
    pub fn spec(&self) -> CalibrationSpec {
        self.spec
    }

    /// The ages that are possible.
    pub fn support(&self) -> AgeSupport {
        self.support
    }

    /// The groups, slice by slice, youngest first: in each slice a partition of the support.
    pub fn groups(&self) -> &[CalibratedGroup] {
        &self.groups
    }

    /// How many faces it was fitted on, all groups together.
    pub fn size(&self) -> usize {
        self.groups.iter().map(|group| group.scores.len()).sum()
    }
}

#[cfg(test)]
mod tests;
