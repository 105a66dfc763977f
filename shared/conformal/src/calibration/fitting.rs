//! Rows one by one to sorted scores per group. Of each row one number is kept, its score, in the
//! decade that it falls into; decades become groups when all have been counted.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{CalibratedGroup, Calibration, CalibrationSpec, FitError, RowError};
use crate::group::{AT_HAND, Axis, Slice, decade_cuts, decade_of, partition, position};
use crate::{AgeSupport, Group, Prediction};

/// Scores in any order; those of other threads are copied only once, at the end.
#[derive(Debug, Clone, Default)]
struct Scores {
    own: Vec<f64>,
    others: Vec<Vec<f64>>,
}

impl Scores {
    fn len(&self) -> usize {
        self.own.len() + self.others.iter().map(Vec::len).sum::<usize>()
    }

    fn join(&mut self, other: Self) {
        self.others.push(other.own);
        self.others.extend(other.others);
    }

    fn into_vec(mut self) -> Vec<f64> {
        let mut others = std::mem::take(&mut self.others);
        if self.own.is_empty() {
            self.own = others.pop().unwrap_or_default();
        }
        self.own.reserve_exact(others.iter().map(Vec::len).sum());
        others.iter().for_each(|other| self.own.extend_from_slice(other));
        self.own
    }
}

/// A calibration in the making.
#[derive(Debug)]
pub struct Fitting {
    spec: CalibrationSpec,
    support: AgeSupport,
    cuts: Vec<f64>,
    rows: usize,
    /// Scores by decade, youngest first; one element where the grouping has no decades.
    slices: Vec<(Slice, Vec<Scores>)>,
    /// Where each slice is among them.
    places: BTreeMap<Slice, usize>,
    /// Whether a prediction may lack something.
    demanding: bool,
}

impl Fitting {
    /// Without rows yet.
    pub fn new(spec: CalibrationSpec, support: AgeSupport) -> Self {
        let cuts = if spec.grouping.axis().is_some() { decade_cuts(support) } else { Vec::new() };
        let demanding = spec.is_demanding();
        Self {
            spec,
            support,
            cuts,
            rows: 0,
            slices: Vec::new(),
            places: BTreeMap::new(),
            demanding,
        }
    }

    /// Takes a row.
    ///
    /// # Errors
    ///
    /// When the truth is not finite or not in the support, the predicted age is not in the
    /// support, or the prediction lacks what the score or the groups need. The row is not counted
    /// then.
    #[inline]
    pub fn add(&mut self, prediction: &Prediction, truth: f64) -> Result<(), FitError> {
        self.check(prediction, truth).map_err(|error| FitError::Row { row: self.rows, error })?;
        let age = match self.spec.grouping.axis() {
            Some(Axis::True) => truth,
            Some(Axis::Predicted) | None => prediction.mean(),
        };
        let decade = decade_of(&self.cuts, age);
        let place = match self.spec.grouping.needs() {
            None if !self.slices.is_empty() => 0,
            _ => self.place(self.spec.grouping.slice(prediction).unwrap_or(Slice::Everyone)),
        };
        self.slices[place].1[decade].own.push(self.spec.score.of(prediction, truth));
        self.rows += 1;
        Ok(())
    }

    /// Takes the rows of another fitting of the same spec and support, such as one of another
    /// thread's. They count as coming after its own.
    pub fn join(&mut self, other: Self) {
        for (slice, decades) in other.slices {
            let place = self.place(slice);
            for (own, theirs) in self.slices[place].1.iter_mut().zip(decades) {
                own.join(theirs);
            }
        }
        self.rows += other.rows;
    }

    /// Forms the groups and sorts their scores.
    ///
    /// # Errors
    ///
    /// [`FitError::Empty`] without rows.
    pub fn finish(mut self) -> Result<Calibration, FitError> {
        if self.rows == 0 {
            return Err(FitError::Empty);
        }
        let mut groups = Vec::new();
        for (slice, place) in self.places {
            let decades = std::mem::take(&mut self.slices[place].1);
            let counts: Vec<usize> = decades.iter().map(Scores::len).collect();
            // Without cuts there is one decade, which is everything.
            let min_group = if self.cuts.is_empty() { usize::MAX } else { self.spec.min_group };
            let parts = partition(self.support, &slice, &counts, min_group);
            let starts: Vec<f64> = parts.iter().map(|group| group.from).collect();
            let mut of_slice: Vec<(Group, Scores)> =
                parts.into_iter().map(|group| (group, Scores::default())).collect();
            let begins = std::iter::once(self.support.lower()).chain(self.cuts.iter().copied());
            for (begin, scores) in begins.zip(decades) {
                of_slice[position(starts.iter().copied(), begin)].1.join(scores);
            }
            groups.extend(of_slice);
        }
        let group = |(group, scores): (Group, Scores)| {
            let mut scores = scores.into_vec();
            // By radix: a million scores sort several times faster than by comparison.
            radsort::sort(&mut scores);
            CalibratedGroup { group, scores }
        };
        let groups = groups.into_par_iter().map(group).collect();
        Ok(Calibration { spec: self.spec, support: self.support, groups })
    }

    /// Where a slice is, now that it is wanted.
    fn place(&mut self, slice: Slice) -> usize {
        let mut at_hand = self.slices.iter().take(AT_HAND);
        if let Some(place) = at_hand.position(|(known, _)| known.is(&slice)) {
            return place;
        }
        if let Some(&place) = self.places.get(&slice) {
            return place;
        }
        let place = self.slices.len();
        self.places.insert(slice.clone(), place);
        self.slices.push((slice, vec![Scores::default(); self.cuts.len() + 1]));
        place
    }

    #[inline]
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
        if self.demanding
            && let Some(part) = self.spec.lacks(prediction)
        {
            let spec = format!("{} by {}", self.spec.score, self.spec.grouping);
            return Err(RowError::Lacks { part, spec });
        }
        Ok(())
    }
}
