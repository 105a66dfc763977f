//! Coverage and width of intervals on data that they were not fitted on.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Coverage, clopper_pearson};

/// One interval and the truth that became known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome<'a> {
    /// The least age inside the interval, in years.
    pub lower: f64,
    /// The greatest age inside the interval, in years.
    pub upper: f64,
    /// The true age in years.
    pub truth: f64,
    /// Under which label it is counted: the group of the interval, or any other division.
    pub group: &'a str,
}

/// Why outcomes were refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum EvaluateError {
    /// No row at all.
    #[error("there is nothing to evaluate: no rows")]
    Empty,
    /// A number that is not finite, or an interval whose ends are the wrong way round.
    #[error("row {row}: {lower} to {upper} with truth {truth} is not an interval and an age")]
    Row {
        /// The row, from 0.
        row: usize,
        /// The lower end given, in years.
        lower: f64,
        /// The upper end given, in years.
        upper: f64,
        /// The truth given, in years.
        truth: f64,
    },
}

/// Coverage overall and per group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoverageTable {
    /// The level that the intervals promise.
    pub nominal: f64,
    /// All rows together, under the label `all`.
    pub overall: CoverageRow,
    /// One row per label, ordered by the number that a label begins with and then by its text.
    pub groups: Vec<CoverageRow>,
}

/// Coverage and width inside one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoverageRow {
    /// The label.
    pub group: String,
    /// How many intervals.
    pub n: u64,
    /// How many of them contain their truth, ends included.
    pub covered: u64,
    /// covered / n.
    pub coverage: f64,
    /// Clopper–Pearson lower bound of the coverage, confidence 95 %.
    pub coverage_lower: f64,
    /// Clopper–Pearson upper bound of the coverage, confidence 95 %.
    pub coverage_upper: f64,
    /// Mean of upper − lower, in years.
    pub mean_width: f64,
    /// Median of upper − lower, in years; the mean of the middle two for even n.
    pub median_width: f64,
    /// Whether the upper bound lies below the nominal level. The bounds are per row: of forty
    /// groups that all keep their promise exactly, one is expected here by chance.
    pub below_nominal: bool,
}

impl CoverageTable {
    /// Counts `outcomes` of intervals made at level `nominal`. Their order does not matter.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Empty`] without rows, else [`EvaluateError::Row`] for the first that is
    /// not finite or has lower > upper.
    pub fn new<'a>(
        nominal: Coverage,
        outcomes: impl IntoIterator<Item = Outcome<'a>>,
    ) -> Result<Self, EvaluateError> {
        let mut overall = Tally::default();
        let mut groups: BTreeMap<(u64, &str), Tally> = BTreeMap::new();
        for (row, outcome) in outcomes.into_iter().enumerate() {
            check(row, &outcome)?;
            overall.count(&outcome);
            let key = (leading_number(outcome.group), outcome.group);
            groups.entry(key).or_default().count(&outcome);
        }
        if overall.widths.is_empty() {
            return Err(EvaluateError::Empty);
        }
        Ok(Self {
            nominal: nominal.as_f64(),
            overall: overall.finish("all", nominal),
            groups: groups
                .into_iter()
                .map(|((_, label), tally)| tally.finish(label, nominal))
                .collect(),
        })
    }
}

fn check(row: usize, outcome: &Outcome<'_>) -> Result<(), EvaluateError> {
    let &Outcome { lower, upper, truth, .. } = outcome;
    let finite = lower.is_finite() && upper.is_finite() && truth.is_finite();
    if finite && lower <= upper {
        Ok(())
    } else {
        Err(EvaluateError::Row { row, lower, upper, truth })
    }
}

/// Orders "100+" after "90-99"; labels without a number come last.
fn leading_number(label: &str) -> u64 {
    let end = label.find(|c: char| !c.is_ascii_digit()).unwrap_or(label.len());
    label[..end].parse().unwrap_or(u64::MAX)
}

/// What one row is counted from; never finished without a member.
#[derive(Default)]
struct Tally {
    covered: u64,
    widths: Vec<f64>,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome<'_>) {
        let inside = outcome.lower <= outcome.truth && outcome.truth <= outcome.upper;
        self.covered += u64::from(inside);
        self.widths.push(outcome.upper - outcome.lower);
    }

    fn finish(mut self, label: &str, nominal: Coverage) -> CoverageRow {
        // Sorted before it is summed up: the same rows in any order give the same mean.
        self.widths.sort_by(f64::total_cmp);
        let n = self.widths.len();
        let (lower, upper) = clopper_pearson(self.covered, n as u64, Coverage::CONFIDENCE);
        CoverageRow {
            group: label.to_owned(),
            n: n as u64,
            covered: self.covered,
            coverage: self.covered as f64 / n as f64,
            coverage_lower: lower,
            coverage_upper: upper,
            mean_width: self.widths.iter().sum::<f64>() / n as f64,
            median_width: self.widths[(n - 1) / 2].midpoint(self.widths[n / 2]),
            below_nominal: upper < nominal.as_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcome(lower: f64, upper: f64, truth: f64, group: &str) -> Outcome<'_> {
        Outcome { lower, upper, truth, group }
    }

    #[test]
    fn by_hand() {
        let table = CoverageTable::new(
            Coverage::DEFAULT,
            [
                outcome(20.0, 30.0, 20.0, "20-29"),
                outcome(20.0, 24.0, 24.5, "20-29"),
                outcome(90.0, 110.0, 110.0, "100+"),
                outcome(20.0, 26.0, 25.0, "20-29"),
            ],
        )
        .unwrap();
        assert_eq!(table.nominal, 0.9);
        assert_eq!((table.overall.n, table.overall.covered), (4, 3));
        assert_eq!(table.overall.coverage, 0.75);
        assert_eq!(table.overall.mean_width, 10.0);
        assert_eq!(table.overall.median_width, 8.0);
        let labels: Vec<&str> = table.groups.iter().map(|row| row.group.as_str()).collect();
        assert_eq!(labels, ["20-29", "100+"]);
        assert_eq!((table.groups[0].n, table.groups[0].covered), (3, 2));
        assert_eq!(table.groups[0].median_width, 6.0);
        assert_eq!(table.groups[1].coverage_upper, 1.0);
    }

    fn with_misses(covered: usize, missed: usize) -> CoverageRow {
        let covered = std::iter::repeat_n(outcome(0.0, 10.0, 5.0, "a"), covered);
        let missed = std::iter::repeat_n(outcome(0.0, 10.0, 15.0, "a"), missed);
        let table = CoverageTable::new(Coverage::DEFAULT, covered.chain(missed)).unwrap();
        table.overall
    }

    /// Where the bound crosses 90 %, from scipy 1.17.1: after 880 of 1000 it is 0.89950, and 880
    /// is the last that is below.
    #[test]
    fn below_nominal_is_a_matter_of_the_upper_bound() {
        assert!(with_misses(880, 120).below_nominal);
        assert!(!with_misses(881, 119).below_nominal);
        assert!(!with_misses(88, 12).below_nominal);
        assert!(with_misses(0, 10).below_nominal);
        assert!(!with_misses(10, 0).below_nominal);
    }

    #[test]
    fn what_is_no_outcome_is_refused() {
        let table = |bad| CoverageTable::new(Coverage::DEFAULT, [outcome(0.0, 1.0, 0.5, "a"), bad]);
        for bad in [
            outcome(2.0, 1.0, 1.5, "a"),
            outcome(f64::NAN, 1.0, 1.5, "a"),
            outcome(0.0, f64::INFINITY, 1.5, "a"),
            outcome(0.0, 1.0, f64::NAN, "a"),
        ] {
            let error = table(bad).unwrap_err();
            assert!(matches!(error, EvaluateError::Row { row: 1, .. }));
        }
        let empty = CoverageTable::new(Coverage::DEFAULT, []);
        assert_eq!(empty, Err(EvaluateError::Empty));
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_nothing_is_lost(
            rows in prop::collection::vec((0.0..50.0_f64, 0.0..50.0_f64, 0.0..100.0_f64, 0..4_usize), 1..80)
        ) {
            let labels = ["0-9", "10+", "women", "men"];
            let outcomes: Vec<Outcome<'_>> = rows
                .iter()
                .map(|&(lower, width, truth, label)| {
                    outcome(lower, lower + width, truth, labels[label])
                })
                .collect();
            let forwards = CoverageTable::new(Coverage::DEFAULT, outcomes.iter().copied()).unwrap();
            let backwards =
                CoverageTable::new(Coverage::DEFAULT, outcomes.iter().rev().copied()).unwrap();
            prop_assert_eq!(&forwards, &backwards);
            let sum = |f: fn(&CoverageRow) -> u64| forwards.groups.iter().map(f).sum::<u64>();
            prop_assert_eq!(sum(|row| row.n), forwards.overall.n);
            prop_assert_eq!(sum(|row| row.covered), forwards.overall.covered);
        }
    }
}
