//! Does a calibration keep its promise in service? One monitor for each calibration and stream of
//! requests, fed by true ages that become known later.

use std::collections::{BTreeMap, VecDeque};

use agespan_conformal::{
    AdaptiveLevel, Calibration, Coverage, Exchangeability, Prediction, clopper_pearson,
};
use agespan_storage::ContentHash;
use serde::{Deserialize, Serialize};

/// How many outcomes back a repetition is noticed.
const REMEMBERED: usize = 10_000;
/// The probability with which the alarm ever goes off without drift.
pub const FALSE_ALARMS: f64 = 0.01;
/// The coverage that is watched.
pub const NOMINAL: Coverage = Coverage::DEFAULT;

/// A true age that became known, checked against the calibration it is for.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the caller calls the prediction.
    pub id: String,
    /// What was predicted.
    pub prediction: Prediction,
    /// True age in years.
    pub truth: f64,
}

/// Counts of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Outcomes.
    pub count: u64,
    /// Those inside their interval.
    pub covered: u64,
    /// Sum of the intervals' widths, in years.
    pub width: f64,
}

impl Tally {
    fn take(&mut self, covered: bool, width: f64) {
        self.count += 1;
        self.covered += u64::from(covered);
        self.width += width;
    }

    /// Clopper–Pearson bounds of the coverage, confidence 95 %.
    pub fn bounds(&self) -> (f64, f64) {
        clopper_pearson(self.covered, self.count, Coverage::CONFIDENCE)
    }
}

/// What has been seen of a calibration on one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// The calibration's id.
    pub calibration: String,
    /// The stream.
    pub stream: String,
    /// All outcomes.
    pub overall: Tally,
    /// Outcomes by the group of their interval.
    pub groups: BTreeMap<String, Tally>,
    /// A level that follows its misses.
    pub adaptive: AdaptiveLevel,
    /// A bet that something has changed.
    pub drift: Exchangeability,
    /// Hashes of the last ids, oldest first.
    recent: VecDeque<u64>,
}

impl Monitor {
    /// Of a stream of which nothing is known yet.
    pub fn new(id: &str, stream: &str, calibration: &Calibration) -> Self {
        let scores = calibration.groups().iter().flat_map(|group| group.scores()).copied();
        Self {
            calibration: id.to_owned(),
            stream: stream.to_owned(),
            overall: Tally::default(),
            groups: BTreeMap::new(),
            adaptive: AdaptiveLevel::new(NOMINAL, AdaptiveLevel::RATE),
            drift: Exchangeability::new(scores.collect()),
            recent: VecDeque::new(),
        }
    }

    /// Counts an outcome, unless it was counted before.
    pub fn take(&mut self, calibration: &Calibration, outcome: &Outcome) -> bool {
        let hash = hash(&outcome.id);
        if self.recent.contains(&hash) {
            return false;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(hash);
        let Outcome { prediction, truth, .. } = outcome;
        let inside = |coverage| {
            let interval = calibration.interval(prediction, coverage);
            (interval.lower <= *truth && *truth <= interval.upper, interval)
        };
        let (covered, interval) = inside(NOMINAL);
        let width = interval.upper - interval.lower;
        self.overall.take(covered, width);
        self.groups.entry(interval.group).or_default().take(covered, width);
        let (covered, _) = inside(self.adaptive.level());
        self.adaptive.update(!covered);
        // The id has nothing to do with the score, so it may break ties.
        let tie = hash as f64 / u64::MAX as f64;
        self.drift.update(calibration.spec().score.of(prediction, *truth), tie);
        true
    }

    /// Whether the alarm has gone off.
    pub fn is_alarming(&self) -> bool {
        self.drift.is_alarming(FALSE_ALARMS)
    }
}

fn hash(id: &str) -> u64 {
    let hex = ContentHash::of(id.as_bytes()).short();
    u64::from_str_radix(&hex, 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agespan_conformal::{AgeSupport, CalibrationSpec, Grouping, Score};

    /// Errors of 0 to 9.9 years, evenly.
    fn calibration() -> Calibration {
        let rows = (0..200).map(|i| (prediction(), 40.0 + f64::from(i % 100) / 10.0));
        let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
        Calibration::fit(spec, AgeSupport::default(), rows).unwrap()
    }

    fn prediction() -> Prediction {
        Prediction::new(40.0, 1.0).unwrap()
    }

    fn outcome(index: usize, error: f64) -> Outcome {
        Outcome { id: format!("p{index}"), prediction: prediction(), truth: 40.0 + error }
    }

    /// The errors of the calibration again, in no order.
    fn alike(index: usize) -> Outcome {
        outcome(index, (index * 37 % 100) as f64 / 10.0)
    }

    #[test]
    fn what_is_reported_again_is_not_counted_again() {
        let calibration = calibration();
        let mut monitor = Monitor::new("c", "s", &calibration);
        assert!(monitor.take(&calibration, &alike(1)));
        let before = monitor.clone();
        assert!(!monitor.take(&calibration, &alike(1)));
        assert_eq!(monitor, before);
    }

    #[test]
    fn a_promise_that_is_kept_raises_no_alarm() {
        let calibration = calibration();
        let mut monitor = Monitor::new("c", "s", &calibration);
        for index in 0..1000 {
            monitor.take(&calibration, &alike(index));
        }
        assert!(!monitor.is_alarming());
        assert_eq!((monitor.overall.count, monitor.overall.covered), (1000, 910));
        assert_eq!(monitor.groups["all"], monitor.overall);
        let (lower, upper) = monitor.overall.bounds();
        assert!(lower < 0.91 && 0.91 < upper);
        assert!((monitor.adaptive.miscoverage() - 0.1).abs() < 0.02);
    }

    #[test]
    fn a_drift_raises_the_alarm_and_the_level_follows() {
        let calibration = calibration();
        let mut monitor = Monitor::new("c", "s", &calibration);
        for index in 0..300 {
            monitor.take(&calibration, &outcome(index, 5.0 + (index * 37 % 100) as f64 / 10.0));
        }
        assert!(monitor.is_alarming());
        assert!(monitor.overall.bounds().1 < 0.9);
        assert!(monitor.adaptive.miscoverage() < 0.05);
        let json = serde_json::to_vec(&monitor).unwrap();
        assert_eq!(serde_json::from_slice::<Monitor>(&json).unwrap(), monitor);
    }
}
