//! Intervals at one level.

use std::sync::Arc;

use super::{CalibratedGroup, Calibration};
use crate::group::{AT_HAND, Axis};
use crate::{Coverage, Grouping, Prediction, Slice};

/// What an interval of [`Grouping::TrueDecade`](crate::Grouping::TrueDecade) names as its group:
/// it was made from all of them.
const EVERY_TRUE_DECADE: &str = "true decades";

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
    /// How many calibration members that group has; the smallest group's where all were used.
    pub group_size: usize,
    /// False when a group is too small for this level: the interval is then the whole support, or
    /// holds that group's whole decade where groups go by true age.
    pub sufficient: bool,
}

/// [`Interval`] without words, for a million of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The least age inside, in years.
    pub lower: f64,
    /// The greatest age inside, in years.
    pub upper: f64,
    /// The position of its group; none when it has none or was made from all.
    pub group: Option<usize>,
    /// As in [`Interval`].
    pub sufficient: bool,
}

/// A calibration's thresholds at one level.
#[derive(Debug, Clone)]
pub struct AtLevel<'a> {
    calibration: &'a Calibration,
    coverage: Coverage,
    /// One for each group.
    thresholds: Vec<Option<f64>>,
    /// Where the groups begin, when they are of one slice; else nothing.
    starts: Vec<f64>,
    /// Whether a prediction may lack something.
    demanding: bool,
}

impl<'a> AtLevel<'a> {
    pub(super) fn new(calibration: &'a Calibration, coverage: Coverage) -> Self {
        let thresholds = calibration.groups.iter().map(|group| group.threshold(coverage)).collect();
        let starts = match calibration.groups.as_slice() {
            [first, ..] if first.group.slice == Slice::Everyone => {
                calibration.groups.iter().map(|group| group.group.from).collect()
            }
            _ => Vec::new(),
        };
        let demanding = calibration.spec.is_demanding();
        Self { calibration, coverage, thresholds, starts, demanding }
    }

    /// The interval, in words.
    pub fn interval(&self, prediction: &Prediction) -> Interval {
        let Bounds { lower, upper, group, sufficient } = self.bounds(prediction);
        let groups = &self.calibration.groups;
        let (group, group_size) = match group.and_then(|group| groups.get(group)) {
            Some(group) => (group.group.name.clone(), group.scores.len()),
            None if self.is_by_true_age() => {
                let least = groups.iter().map(|group| group.scores.len()).min();
                (EVERY_TRUE_DECADE.to_owned(), least.unwrap_or_default())
            }
            None => {
                let slice = self.calibration.spec.grouping.slice(prediction);
                (slice.map(|slice| slice.to_string()).unwrap_or_default(), 0)
            }
        };
        Interval { lower, upper, coverage: self.coverage, group, group_size, sufficient }
    }

    /// The interval's numbers.
    #[inline]
    pub fn bounds(&self, prediction: &Prediction) -> Bounds {
        let calibration = self.calibration;
        let support = calibration.support;
        let everything = Bounds {
            lower: support.lower(),
            upper: support.upper(),
            group: None,
            sufficient: false,
        };
        if self.demanding && calibration.lacks(prediction).is_some() {
            return everything;
        }
        let (ends, group, sufficient) = if self.is_by_true_age() {
            (self.hull(prediction), None, self.thresholds.iter().all(Option::is_some))
        } else {
            let Some(place) = self.place(prediction) else { return everything };
            let Some(threshold) = self.thresholds[place] else {
                return Bounds { group: Some(place), ..everything };
            };
            let ends = calibration.spec.score.interval(prediction, threshold);
            (ends, Some(place), true)
        };
        // With the prediction inside, an interval is never empty.
        let mean = support.clamp(prediction.mean());
        Bounds {
            lower: support.clamp(ends.0).min(mean),
            upper: support.clamp(ends.1).max(mean),
            group,
            sufficient,
        }
    }

    /// As [`Calibration::place`], which groups of one slice need not ask for everything.
    #[inline]
    fn place(&self, prediction: &Prediction) -> Option<usize> {
        if self.starts.is_empty() {
            return self.at_hand(prediction).or_else(|| self.calibration.place(prediction));
        }
        let mean = prediction.mean();
        Some(self.starts.iter().filter(|&&start| start <= mean).count().saturating_sub(1))
    }

    /// The group of a label whose text need not be read; there is one group for each.
    fn at_hand(&self, prediction: &Prediction) -> Option<usize> {
        let calibration = self.calibration;
        let label = prediction.label.as_ref()?;
        if calibration.spec.grouping != Grouping::Label {
            return None;
        }
        let is = |group: &CalibratedGroup| match &group.group.slice {
            Slice::Label(own) => Arc::ptr_eq(own, label),
            _ => false,
        };
        calibration.groups.iter().take(AT_HAND).position(is)
    }

    #[inline]
    fn is_by_true_age(&self) -> bool {
        self.calibration.spec.grouping.axis() == Some(Axis::True)
    }

    /// The hull of { y : s(x, y) ≤ threshold of y's own decade }: in each decade the part of the
    /// score's interval that lies in it. No decade may have one; the ends are then reversed.
    fn hull(&self, prediction: &Prediction) -> (f64, f64) {
        let calibration = self.calibration;
        let last = calibration.groups.len() - 1;
        let (mut lower, mut upper) = (f64::INFINITY, f64::NEG_INFINITY);
        for (index, (group, threshold)) in
            calibration.groups.iter().zip(&self.thresholds).enumerate()
        {
            let (from, to) = (group.group.from, group.group.to);
            // A decade ends just before the next begins.
            let to = if index == last { to } else { to.next_down() };
            let (first, after) = match threshold {
                Some(threshold) => calibration.spec.score.interval(prediction, *threshold),
                None => (from, to),
            };
            let (first, after) = (first.max(from), after.min(to));
            if first <= after {
                (lower, upper) = (lower.min(first), upper.max(after));
            }
        }
        (lower, upper)
    }
}
