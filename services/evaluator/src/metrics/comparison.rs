//! Two models or calibrations on the same faces.

use std::collections::HashMap;

use agespan_conformal::Coverage;
use serde::{Deserialize, Serialize};

use super::Row;
use super::bounds::Bounded;

/// How two differ, face by face: each figure is the evaluated one's less the baseline's, with
/// percentile-bootstrap bounds over the pairs. What both find hard is in neither, so that the bounds are
/// far closer than those of two separate figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// "models/{id}" of the baseline.
    pub model: String,
    /// "calibrations/{id}" of the baseline.
    pub calibration: String,
    /// Faces that both answered about.
    pub count: u64,
    /// Of the absolute errors, in years: below zero the evaluated one is closer.
    pub error: Bounded,
    /// Of the coverages: above zero the evaluated one holds more ages.
    pub coverage: Bounded,
    /// Of the widths, in years: below zero the evaluated one's intervals are narrower.
    pub width: Bounded,
    /// Of the interval scores, in years: below zero the evaluated one's intervals are better.
    pub interval_score: Bounded,
    /// Of the shares of right genders: above zero the evaluated one is right more often.
    pub gender: Bounded,
}

impl Comparison {
    /// None where there is no face that both answered about.
    pub fn of(
        rows: &[Row],
        (model, calibration): (String, String),
        baseline: &[Row],
        coverage: Coverage,
    ) -> Option<Self> {
        let baseline: HashMap<&str, &Row> =
            baseline.iter().map(|row| (row.path.as_str(), row)).collect();
        let pairs: Vec<(&Row, &Row)> =
            rows.iter().filter_map(|row| Some((row, *baseline.get(row.path.as_str())?))).collect();
        let difference = |of: &dyn Fn(&Row) -> Option<f64>| {
            let difference = |(row, other): &(&Row, &Row)| Some(of(row)? - of(other)?);
            let differences: Vec<f64> = pairs.iter().filter_map(difference).collect();
            if differences.is_empty() { Bounded::default() } else { Bounded::mean(&differences) }
        };
        let share = |holds: bool| Some(f64::from(u8::from(holds)));
        (!pairs.is_empty()).then(|| Self {
            model,
            calibration,
            count: pairs.len() as u64,
            error: difference(&|row| Some(row.error())),
            coverage: difference(&|row| share(row.is_covered())),
            width: difference(&|row| Some(row.width())),
            interval_score: difference(&|row| Some(row.interval_score(coverage))),
            gender: difference(&|row| share(row.female? == row.answered_female)),
        })
    }
}
