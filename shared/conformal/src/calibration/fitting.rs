//! Rows one by one to sorted scores per group. Of each row one number is kept, its score, in the
//! decade that it falls into; decades become groups when all have been counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rayon::prelude::*;

use super::{CalibratedGroup, Calibration, CalibrationSpec, FitError, RowError};
use crate::group::{Axis, Slice, decade_cuts, decade_of, partition, position};
use crate::{AgeSupport, Prediction};

/// A calibration in the making.
#[derive(Debug)]
pub struct Fitting {
    spec: CalibrationSpec,
    support: AgeSupport,
    cuts: Vec<f64>,
    rows: usize,
    /// Scores by decade, youngest first; one element where the grouping has no decades.
    slices: BTreeMap<Slice, Vec<Vec<f64>>>,
}

impl Fitting {
    /// Without rows yet.
    pub fn new(spec: CalibrationSpec, support: AgeSupport) -> Self {
        let cuts = if spec.grouping.axis().is_some() { decade_cuts(support) } else { Vec::new() };
        Self { spec, support, cuts, rows: 0, slices: BTreeMap::new() }
    }

    /// Takes a row.
    ///
    /// # Errors
    ///
    /// When the truth is not finite or not in the support, the predicted age is not in the
    /// support, or the prediction lacks what the score or the groups need. The row is not counted
    /// then.
    pub fn add(&mut self, prediction: &Prediction, truth: f64) -> Result<(), FitError> {
        self.check(prediction, truth).map_err(|error| FitError::Row { row: self.rows, error })?;
        let slice = self.spec.grouping.slice(prediction).unwrap_or(Slice::Everyone);
        let age = match self.spec.grouping.axis() {
            Some(Axis::True) => truth,
            Some(Axis::Predicted) | None => prediction.mean(),
        };
        let decade = decade_of(&self.cuts, age);
        let width = self.cuts.len() + 1;
        let decades = self.slices.entry(slice).or_insert_with(|| vec![Vec::new(); width]);
        decades[decade].push(self.spec.score.of(prediction, truth));
        self.rows += 1;
        Ok(())
    }

    /// Takes the rows of another fitting of the same spec and support, such as one of another
    /// thread's. They count as coming after its own.
    pub fn join(&mut self, other: Self) {
        for (slice, decades) in other.slices {
            match self.slices.entry(slice) {
                Entry::Vacant(entry) => drop(entry.insert(decades)),
                Entry::Occupied(mut entry) => {
                    for (own, theirs) in entry.get_mut().iter_mut().zip(decades) {
                        own.extend(theirs);
                    }
                }
            }
        }
        self.rows += other.rows;
    }

    /// Forms the groups and sorts their scores.
    ///
    /// # Errors
    ///
    /// [`FitError::Empty`] without rows.
    pub fn finish(self) -> Result<Calibration, FitError> {
        if self.rows == 0 {
            return Err(FitError::Empty);
        }
        let mut groups = Vec::new();
        for (slice, decades) in self.slices {
            let counts: Vec<usize> = decades.iter().map(Vec::len).collect();
            // Without cuts there is one decade, which is everything.
            let min_group = if self.cuts.is_empty() { usize::MAX } else { self.spec.min_group };
            let parts = partition(self.support, &slice, &counts, min_group);
            let starts: Vec<f64> = parts.iter().map(|group| group.from).collect();
            let mut of_slice: Vec<CalibratedGroup> = parts
                .into_iter()
                .map(|group| CalibratedGroup { group, scores: Vec::new() })
                .collect();
            let begins = std::iter::once(self.support.lower()).chain(self.cuts.iter().copied());
            for (begin, scores) in begins.zip(decades) {
                let group = &mut of_slice[position(starts.iter().copied(), begin)];
                if group.scores.is_empty() {
                    group.scores = scores;
                } else {
                    group.scores.extend(scores);
                }
            }
            groups.extend(of_slice);
        }
        // By radix: a million scores sort several times faster than by comparison.
        groups.par_iter_mut().for_each(|group| radsort::sort(&mut group.scores));
        Ok(Calibration { spec: self.spec, support: self.support, groups })
    }

    fn check(&self, prediction: &Prediction, truth: f64) -> Result<(), RowError> {
        let support = self.support;
        let (lower, upper) = (support.lower(), support.upper());
        if !truth.is_finite() {
            return Err(RowError::TruthNotFinite { truth });
        }
        if !support.contains(truth) {
            return Err(RowError::TruthOutsideSupport { truth, lower, upper });
        }
        let mean = prediction.mean();
        if !support.contains(mean) {
            return Err(RowError::PredictionOutsideSupport { mean, lower, upper });
        }
        if let Some(part) = self.spec.lacks(prediction) {
            let spec = format!("{} by {}", self.spec.score, self.spec.grouping);
            return Err(RowError::Lacks { part, spec });
        }
        Ok(())
    }
}
