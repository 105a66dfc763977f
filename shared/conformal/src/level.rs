//! Coverage levels and the rank of the threshold, in integers.
//!
//! Ranks computed in floating point are off by one in hundreds of ordinary cases: for n = 9 and
//! 90 %, `int((1 - 0.9) * (9 + 1))` is 0, not 1. A level is therefore a ratio of integers from
//! the moment it enters, and no rank is ever rounded.
//!
//! Source: Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World* (2005), chapter 4;
//! the finite-sample rank as in Lei et al., *Distribution-Free Predictive Inference for
//! Regression* (2018), algorithm 2.

/// The finest step of a level given as a decimal: nine digits after the point.
const DECIMAL_DENOMINATOR: u64 = 1_000_000_000;

/// A level strictly between 0 and 1, held as an exact ratio in lowest terms: the probability with
/// which an interval shall contain the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coverage {
    numerator: u64,
    denominator: u64,
}

/// Why a number is not a coverage level.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LevelError {
    /// Not a number, or not strictly between 0 and 1.
    #[error("a coverage level lies strictly between 0 and 1, got {0}")]
    OutOfRange(f64),
    /// Rounds to 0 or 1 at nine digits after the point.
    #[error("coverage level {0} is 0 or 1 when rounded to nine decimals")]
    TooFine(f64),
    /// Not a ratio strictly between 0 and 1.
    #[error("a coverage level lies strictly between 0 and 1, got {numerator}/{denominator}")]
    Ratio {
        /// The numerator asked for.
        numerator: u64,
        /// The denominator asked for.
        denominator: u64,
    },
}

impl Coverage {
    /// 90 %, the level of the original study.
    pub const DEFAULT: Self = Self { numerator: 9, denominator: 10 };

    /// As near to 1 as there is: no number of calibration members suffices.
    pub const NEARLY_ONE: Self = Self { numerator: u64::MAX - 1, denominator: u64::MAX };

    /// 95 %, the confidence of bounds in tables.
    pub const CONFIDENCE: Self = Self { numerator: 19, denominator: 20 };

    /// The level nearest to `level` with nine decimals: `0.9` is exactly 9/10.
    ///
    /// # Errors
    ///
    /// [`LevelError::OutOfRange`] for NaN and whatever is not strictly between 0 and 1,
    /// [`LevelError::TooFine`] for what rounds to 0 or 1.
    pub fn new(level: f64) -> Result<Self, LevelError> {
        if !(level > 0.0 && level < 1.0) {
            return Err(LevelError::OutOfRange(level));
        }
        let numerator = (level * DECIMAL_DENOMINATOR as f64).round() as u64;
        Self::from_ratio(numerator, DECIMAL_DENOMINATOR).map_err(|_| LevelError::TooFine(level))
    }

    /// The level `numerator / denominator`, exactly: `from_ratio(2, 3)` is what no decimal is.
    ///
    /// # Errors
    ///
    /// [`LevelError::Ratio`] unless 0 < numerator < denominator.
    pub fn from_ratio(numerator: u64, denominator: u64) -> Result<Self, LevelError> {
        if numerator == 0 || numerator >= denominator {
            return Err(LevelError::Ratio { numerator, denominator });
        }
        let divisor = greatest_common_divisor(numerator, denominator);
        Ok(Self { numerator: numerator / divisor, denominator: denominator / divisor })
    }

    /// 1 − level, exactly: the miscoverage of a coverage and the coverage of a miscoverage.
    #[must_use]
    pub fn complement(self) -> Self {
        Self { numerator: self.denominator - self.numerator, ..self }
    }

    /// The nearest `f64`, to show or to compare with an observed share; never to compute a rank.
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl Default for Coverage {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which of `n` sorted calibration scores is the threshold: the `k`-th smallest (from 1),
/// k = ⌈(n+1)·coverage⌉.
///
/// It is the smallest k with k/(n+1) ≥ coverage. With miscoverage a/b it is computed as
/// ((n+1)(b−a) + b − 1) div b. `None` when k > n: no finite threshold keeps the promise, and
/// clipping k to n would break it.
pub fn rank(n: usize, coverage: Coverage) -> Option<usize> {
    let (numerator, denominator) =
        (u128::from(coverage.numerator), u128::from(coverage.denominator));
    // At most 2^64·(2^64 − 2) + 2^64 − 2, which is below 2^128: this cannot overflow.
    let k = ((n as u128 + 1) * numerator).div_ceil(denominator);
    usize::try_from(k).ok().filter(|&k| k <= n)
}

/// The least number of calibration members with a finite threshold at `coverage`:
/// ⌈coverage / (1 − coverage)⌉, so 9 at 90 % and 19 at 95 %.
pub fn least_calibration_size(coverage: Coverage) -> usize {
    let least = coverage.numerator.div_ceil(coverage.denominator - coverage.numerator);
    usize::try_from(least).unwrap_or(usize::MAX)
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(percent: u64) -> Coverage {
        Coverage::from_ratio(percent, 100).unwrap()
    }

    /// The definition, by looking: the smallest k with k/(n+1) ≥ coverage.
    fn rank_by_search(n: usize, numerator: u64, denominator: u64) -> usize {
        (0..=n + 1)
            .find(|&k| {
                k as u128 * u128::from(denominator) >= (n as u128 + 1) * u128::from(numerator)
            })
            .unwrap()
    }

    #[test]
    fn a_decimal_becomes_the_ratio_it_was_written_as() {
        for thousandths in 1..1000 {
            let level = Coverage::new(thousandths as f64 / 1000.0).unwrap();
            assert_eq!(level, Coverage::from_ratio(thousandths, 1000).unwrap());
        }
        assert_eq!(Coverage::new(0.9).unwrap(), Coverage::DEFAULT);
        assert_eq!(Coverage::new(0.1 + 0.2).unwrap(), percent(30));
        assert_eq!(Coverage::DEFAULT.as_f64(), 0.9);
        let finest = Coverage::new(1e-9).unwrap();
        assert_eq!(finest, Coverage::from_ratio(1, 1_000_000_000).unwrap());
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for level in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 0.0, -0.0, 1.0, 1.1, 90.0] {
            let error = Coverage::new(level).unwrap_err();
            assert!(matches!(error, LevelError::OutOfRange(_)), "{level}");
        }
        for level in [1e-10, 1.0 - 1e-10, f64::MIN_POSITIVE, 1.0 - f64::EPSILON] {
            assert_eq!(Coverage::new(level), Err(LevelError::TooFine(level)));
        }
        for (numerator, denominator) in [(0, 1), (1, 1), (2, 1), (0, 0), (1, 0)] {
            assert!(Coverage::from_ratio(numerator, denominator).is_err());
        }
    }

    #[test]
    fn nine_members_are_the_least_at_ninety_percent() {
        assert_eq!(rank(9, Coverage::DEFAULT), Some(9));
        assert_eq!(rank(8, Coverage::DEFAULT), None);
        assert_eq!(rank(0, Coverage::DEFAULT), None);
        assert_eq!(rank(100, Coverage::DEFAULT), Some(91));
        assert_eq!(rank(18, percent(95)), None);
        assert_eq!(rank(19, percent(95)), Some(19));
        assert_eq!(least_calibration_size(Coverage::DEFAULT), 9);
        assert_eq!(least_calibration_size(percent(95)), 19);
        assert_eq!(least_calibration_size(percent(99)), 99);
        assert_eq!(least_calibration_size(percent(50)), 1);
        assert_eq!(least_calibration_size(percent(1)), 1);
    }

    /// Both usual ways of writing the rank in floating point, over n = 1…1000 and 1…99 %. How
    /// often each is wrong was counted with Python's `fractions` (3.11.7, exact), so that this test
    /// is known to contain those cases: 141 and 643.
    #[test]
    fn every_case_in_which_floating_point_goes_wrong() {
        let (mut ceiling_wrong, mut floor_wrong) = (0, 0);
        for n in 1..=1000_usize {
            for level in 1..100_u64 {
                let truth = rank_by_search(n, level, 100);
                assert_eq!(
                    rank(n, percent(level)),
                    (truth <= n).then_some(truth),
                    "n {n}, {level} %"
                );
                let c = level as f64 / 100.0;
                let m = (n + 1) as f64;
                ceiling_wrong += usize::from((m * c).ceil() as usize != truth);
                floor_wrong += usize::from(n + 1 - ((1.0 - c) * m) as usize != truth);
            }
        }
        assert_eq!((ceiling_wrong, floor_wrong), (141, 643));
    }

    #[test]
    fn the_greatest_numbers_do_not_overflow() {
        let nearly_one = Coverage::from_ratio(u64::MAX - 1, u64::MAX).unwrap();
        let nearly_nothing = Coverage::from_ratio(1, u64::MAX).unwrap();
        assert_eq!(rank(usize::MAX, nearly_one), Some(usize::MAX));
        assert_eq!(rank(usize::MAX, nearly_nothing), Some(2));
        assert_eq!(rank(usize::MAX - 1, nearly_one), Some(usize::MAX - 1));
        assert_eq!(rank(usize::MAX - 2, nearly_one), None);
        assert_eq!(least_calibration_size(nearly_one), usize::MAX - 1);
    }

    fn ratio() -> impl Strategy<Value = (u64, u64)> {
        (2..=1_000_000_000_u64).prop_flat_map(|denominator| (1..denominator, Just(denominator)))
    }

    proptest! {
        #[test]
        fn the_rank_is_the_one_found_by_search(n in 0..3000_usize, (a, b) in ratio()) {
            let truth = rank_by_search(n, a, b);
            let coverage = Coverage::from_ratio(a, b).unwrap();
            prop_assert_eq!(rank(n, coverage), (truth <= n).then_some(truth));
        }

        #[test]
        fn the_rank_is_minimal_for_large_n(n in 1..u64::MAX / 2, (a, b) in ratio()) {
            let coverage = Coverage::from_ratio(a, b).unwrap();
            let enough = |k: u128| k * u128::from(b) >= (u128::from(n) + 1) * u128::from(a);
            match rank(n as usize, coverage) {
                Some(k) => {
                    prop_assert!(enough(k as u128));
                    prop_assert!(!enough(k as u128 - 1));
                }
                None => prop_assert!(!enough(u128::from(n))),
            }
        }

        #[test]
        fn the_least_size_is_where_the_threshold_becomes_finite((a, b) in ratio()) {
            let coverage = Coverage::from_ratio(a, b).unwrap();
            let least = least_calibration_size(coverage);
            prop_assert!(least >= 1);
            prop_assert!(rank(least, coverage).is_some());
            prop_assert_eq!(rank(least - 1, coverage), None);
        }

        #[test]
        fn new_never_panics_and_stays_near(level in any::<f64>()) {
            if let Ok(coverage) = Coverage::new(level) {
                prop_assert!((coverage.as_f64() - level).abs() <= 0.5e-9 + 1e-15);
            }
        }

        #[test]
        fn new_is_the_nearest_of_nine_decimals(level in 0.0..1.0_f64) {
            if let Ok(coverage) = Coverage::new(level) {
                prop_assert!((coverage.as_f64() - level).abs() <= 0.5e-9 + 1e-15);
            }
        }
    }
}
