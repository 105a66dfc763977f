//! A calibration as a file: versioned JSON, the same bytes for the same data.
//!
//! Format 2 is one object: `format`, `score`, `grouping`, `min_group`, `support {lower, upper}`
//! and `groups [{name, slice, from, to, scores}]`, the groups slice by slice and youngest first,
//! their scores ascending.
//! A file is data from outside: nothing is used before [`Calibration::validate`] has agreed.

use serde::{Deserialize, Serialize};

use super::{CalibratedGroup, Calibration, CalibrationSpec};
use crate::{AgeSupport, Group, Grouping, Part, Score, Slice};

/// The format that is written, and the only one that is read.
pub const FORMAT: u32 = 2;

/// The fields of the file. `CalibratedGroup` needs no twin: it has no invariant of its own.
#[derive(Serialize, Deserialize)]
pub(super) struct Contents {
    format: u32,
    score: Score,
    grouping: Grouping,
    min_group: usize,
    support: AgeSupport,
    groups: Vec<CalibratedGroup>,
}

/// Read on its own first, so that a later format is named as such rather than as a missing field.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// Why bytes are not a calibration.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not JSON, or not these fields.
    #[error("this is not the JSON of a calibration")]
    Json(#[from] serde_json::Error),
    /// The fields contradict each other.
    #[error("the calibration contradicts itself")]
    Invalid(#[from] InvalidCalibration),
}

/// What is wrong inside a calibration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidCalibration {
    /// Written by another version of Agespan.
    #[error("its format is {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// No calibration scores at all.
    #[error("it has no scores")]
    Empty,
    /// More than one group in a slice although the grouping has no decades.
    #[error("it has {0} groups although its grouping has no decades")]
    Ungrouped(usize),
    /// A slice that the grouping does not make, or one out of order.
    #[error("the slice {0:?} does not belong there")]
    Slice(String),
    /// The groups leave out or share a part of the support.
    #[error("the groups are not a partition of the support: {0:?} begins or ends elsewhere")]
    Partition(String),
    /// A name that does not fit the bounds.
    #[error("group {found:?} should be called {expected:?} by its bounds")]
    Name {
        /// The name in the file.
        found: String,
        /// The name that follows from the bounds.
        expected: String,
    },
    /// A group smaller than `min_group`, beside others.
    #[error("group {group:?} has {size} members, fewer than min_group")]
    Small {
        /// The name of the group.
        group: String,
        /// Its number of members.
        size: usize,
    },
    /// Scores that are not finite or not ascending.
    #[error("the scores of group {group:?} are not finite and ascending at position {position}")]
    Scores {
        /// The name of the group.
        group: String,
        /// The first offending score, from 0.
        position: usize,
    },
}

impl Calibration {
    /// The calibration as JSON, without a line break. The same rows in any order give the same
    /// bytes, so that a hash of them names the calibration.
    pub fn to_json(&self) -> Vec<u8> {
        let contents = Contents::from(self.clone());
        // Writing to memory fails only for a map with keys that are no strings: there is none.
        serde_json::to_vec(&contents).expect("plain structs of numbers and names become JSON")
    }

    /// Reads what [`Calibration::to_json`] wrote, to the last bit of every score, and validates
    /// it.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Json`] for other bytes, [`ArtifactError::Invalid`] for another format or
    /// contents that [`Calibration::validate`] refuses.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let Header { format } = serde_json::from_slice(bytes)?;
        check_format(format)?;
        let contents: Contents = serde_json::from_slice(bytes)?;
        Ok(Self::try_from(contents)?)
    }

    /// Checks what every calibration has to be: groups that partition the support, named by their
    /// bounds and large enough, with scores that are finite and ascending. Reading calls it; what
    /// was fitted passes it.
    ///
    /// # Errors
    ///
    /// The first [`InvalidCalibration`] found, youngest group first.
    pub fn validate(&self) -> Result<(), InvalidCalibration> {
        if self.size() == 0 {
            return Err(InvalidCalibration::Empty);
        }
        let mut slices: Vec<&Slice> = Vec::new();
        for of_slice in self.groups.chunk_by(|a, b| a.group.slice == b.group.slice) {
            let slice = &of_slice[0].group.slice;
            let fits = match self.spec.grouping.needs() {
                Some(Part::Gender) => matches!(slice, Slice::Female | Slice::Male),
                Some(Part::Label) => matches!(slice, Slice::Label(_)),
                Some(Part::Distribution) | None => *slice == Slice::Everyone,
            };
            if !fits || slices.last().is_some_and(|before| *before >= slice) {
                return Err(InvalidCalibration::Slice(slice.to_string()));
            }
            slices.push(slice);
            self.validate_slice(of_slice)?;
        }
        Ok(())
    }

    fn validate_slice(&self, groups: &[CalibratedGroup]) -> Result<(), InvalidCalibration> {
        let alone = groups.len() == 1;
        if self.spec.grouping.axis().is_none() && !alone {
            return Err(InvalidCalibration::Ungrouped(groups.len()));
        }
        let mut begin = self.support.lower();
        for group in groups {
            self.validate_bounds(&group.group, begin)?;
            begin = group.group.to;
            if !alone && group.scores.len() < self.spec.min_group {
                return Err(InvalidCalibration::Small {
                    group: group.group.name.clone(),
                    size: group.scores.len(),
                });
            }
            if let Some(position) = first_disorder(&group.scores) {
                return Err(InvalidCalibration::Scores {
                    group: group.group.name.clone(),
                    position,
                });
            }
        }
        if begin != self.support.upper() {
            let last = groups.last().map(|group| group.group.name.clone());
            return Err(InvalidCalibration::Partition(last.unwrap_or_default()));
        }
        Ok(())
    }

    fn validate_bounds(&self, group: &Group, begin: f64) -> Result<(), InvalidCalibration> {
        let (from, to) = (group.from, group.to);
        if !(from == begin && from < to && to <= self.support.upper()) {
            return Err(InvalidCalibration::Partition(group.name.clone()));
        }
        let expected = Group::new(self.support, group.slice.clone(), from, to).name;
        if group.name != expected {
            return Err(InvalidCalibration::Name { found: group.name.clone(), expected });
        }
        Ok(())
    }
}

impl From<Calibration> for Contents {
    fn from(calibration: Calibration) -> Self {
        let Calibration { spec, support, groups } = calibration;
        Self {
            format: FORMAT,
            score: spec.score,
            grouping: spec.grouping,
            min_group: spec.min_group,
            support,
            groups,
        }
    }
}

/// Reading by way of serde alone validates too.
impl TryFrom<Contents> for Calibration {
    type Error = InvalidCalibration;

    fn try_from(contents: Contents) -> Result<Self, InvalidCalibration> {
        check_format(contents.format)?;
        let calibration = Self {
            spec: CalibrationSpec {
                score: contents.score,
                grouping: contents.grouping,
                min_group: contents.min_group,
            },
            support: contents.support,
            groups: contents.groups,
        };
        calibration.validate()?;
        Ok(calibration)
    }
}

fn check_format(format: u32) -> Result<(), InvalidCalibration> {
    if format == FORMAT { Ok(()) } else { Err(InvalidCalibration::Format(format)) }
}

/// The first score that is not finite, or less than the one before it.
fn first_disorder(scores: &[f64]) -> Option<usize> {
    (0..scores.len())
        .find(|&i| !scores[i].is_finite() || (i > 0 && scores[i - 1].total_cmp(&scores[i]).is_gt()))
}
