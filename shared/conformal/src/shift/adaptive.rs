//! Adaptive conformal inference: α ← α + γ(target − miss), miss = 1 when the truth fell outside the
//! interval made at α.
//!
//! Over T outcomes the share of misses is within (max(α₁, 1 − α₁) + γ) / (γT) of the target,
//! whatever the faces do. Source: Gibbs and Candès, *Adaptive Conformal Inference Under
//! Distribution Shift* (2021), equation 2 and proposition 4.1.

use serde::{Deserialize, Serialize};

use crate::Coverage;

/// A miscoverage that follows its misses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveLevel {
    target: f64,
    rate: f64,
    miscoverage: f64,
    outcomes: u64,
    misses: u64,
}

impl AdaptiveLevel {
    /// γ where nobody asks for another: after a sudden shift it takes some hundred outcomes.
    pub const RATE: f64 = 0.005;

    /// Begins at the miscoverage of `coverage`, with step size `rate` (γ > 0).
    pub fn new(coverage: Coverage, rate: f64) -> Self {
        let target = coverage.complement().as_f64();
        Self { target, rate, miscoverage: target, outcomes: 0, misses: 0 }
    }

    /// Takes an outcome of an interval that was made at [`level`](Self::level).
    pub fn update(&mut self, missed: bool) {
        let miss = f64::from(u8::from(missed));
        self.miscoverage += self.rate * (self.target - miss);
        self.outcomes += 1;
        self.misses += u64::from(missed);
    }

    /// The coverage to make the next interval at.
    pub fn level(&self) -> Coverage {
        Self::level_at(self.miscoverage)
    }

    /// The coverage of a miscoverage that may lie outside 0 to 1: at 0 and below one that only the
    /// whole support has; at 1 and above the least, where the set would be empty.
    pub fn level_at(miscoverage: f64) -> Coverage {
        let coverage = (1.0 - miscoverage).max(1e-9);
        Coverage::new(coverage).unwrap_or(Coverage::NEARLY_ONE)
    }

    /// The miscoverage α, which may leave 0 to 1 by a step.
    pub fn miscoverage(&self) -> f64 {
        self.miscoverage
    }

    /// Outcomes so far.
    pub fn outcomes(&self) -> u64 {
        self.outcomes
    }

    /// How many of them were outside.
    pub fn misses(&self) -> u64 {
        self.misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgeSupport, Calibration, CalibrationSpec, Grouping, Prediction, Score};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn by_hand() {
        let mut level = AdaptiveLevel::new(Coverage::DEFAULT, 0.05);
        assert_eq!(level.level(), Coverage::DEFAULT);
        level.update(true);
        assert!((level.miscoverage() - 0.055).abs() < 1e-12);
        level.update(true);
        level.update(true);
        assert!(level.miscoverage() < 0.0);
        assert_eq!(level.level(), Coverage::NEARLY_ONE, "the whole range");
        for _ in 0..400 {
            level.update(false);
        }
        assert!(level.level().as_f64() < 1.0);
    }

    /// Errors that grow tenfold: fixed thresholds miss most, adaptive ones a tenth.
    #[test]
    fn the_long_run_miss_rate_converges_under_drift() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let support = AgeSupport::default();
        let mut face = |spread: f64| {
            let prediction = Prediction::new(50.0, 1.0).unwrap();
            (prediction, support.clamp(50.0 + spread * (rng.random::<f64>() - 0.5)))
        };
        let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
        let rows: Vec<_> = (0..500).map(|_| face(6.0)).collect();
        let calibration = Calibration::fit(spec, support, rows).unwrap();
        let mut level = AdaptiveLevel::new(Coverage::DEFAULT, AdaptiveLevel::RATE);
        let (steps, mut fixed) = (8000, 0);
        for step in 0..steps {
            let (prediction, truth) = face(6.0 + 54.0 * f64::from(step) / f64::from(steps));
            let missed = |coverage: Coverage| {
                let interval = calibration.interval(&prediction, coverage);
                !(interval.lower <= truth && truth <= interval.upper)
            };
            fixed += u32::from(missed(Coverage::DEFAULT));
            let miss = missed(level.level());
            level.update(miss);
        }
        let share = level.misses() as f64 / f64::from(steps);
        let bound = (0.9 + AdaptiveLevel::RATE) / (AdaptiveLevel::RATE * f64::from(steps));
        assert!((share - 0.1).abs() <= bound, "{share}");
        assert!(f64::from(fixed) / f64::from(steps) > 0.5, "there was to be a drift");
    }
}
