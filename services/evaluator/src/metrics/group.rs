//! Figures of a group of faces.

use std::collections::BTreeMap;

use agespan_conformal::{Coverage, CoverageTable, Outcome};
use serde::{Deserialize, Serialize};

use super::Row;
use super::bounds::Bounded;

/// Figures of a group of faces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What the faces have in common.
    pub name: String,
    /// How many there are.
    pub count: u64,
    /// Mean absolute error in years, with percentile-bootstrap bounds.
    pub mae: Bounded,
    /// Median absolute error in years.
    #[serde(default)]
    pub median_error: f64,
    /// Share of errors of at most three years (CS@3), with Clopper–Pearson bounds.
    #[serde(default)]
    pub within_three: Bounded,
    /// The same of five years (CS@5).
    pub within_five: Bounded,
    /// The same of ten years (CS@10).
    #[serde(default)]
    pub within_ten: Bounded,
    /// Mean of estimate minus age, in years.
    pub bias: f64,
    /// Share of ages inside their interval, with Clopper–Pearson bounds.
    pub coverage: Bounded,
    /// Mean width of the intervals in years.
    pub mean_width: f64,
    /// Median width of the intervals in years.
    pub median_width: f64,
    /// Mean of width + 2 / miscoverage × the years by which the age is missed (Gneiting and Raftery
    /// 2007, equation 43). Of two sorts of intervals at one level the one with the smaller score
    /// is better.
    #[serde(default)]
    pub interval_score: f64,
}

impl Group {
    /// None without a face, or with an interval that is none.
    pub(super) fn of(name: String, rows: &[&Row], coverage: Coverage) -> Option<Self> {
        let outcome = |row: &&Row| Outcome {
            lower: row.interval.0,
            upper: row.interval.1,
            truth: row.age,
            group: "all",
        };
        let table = CoverageTable::new(coverage, rows.iter().map(outcome)).ok()?.overall;
        let errors: Vec<f64> = rows.iter().map(|row| row.error()).collect();
        let count = rows.len() as u64;
        let within = |years: f64| {
            let hits = errors.iter().filter(|&&error| error <= years).count();
            Bounded::share(hits as u64, count)
        };
        let mean = |of: &dyn Fn(&Row) -> f64| {
            rows.iter().map(|row| of(row)).sum::<f64>() / rows.len() as f64
        };
        Some(Self {
            name,
            count,
            median_error: median(errors.clone()),
            within_three: within(3.0),
            within_five: within(5.0),
            within_ten: within(10.0),
            mae: Bounded::mean(&errors),
            bias: mean(&|row| row.estimate - row.age),
            coverage: Bounded::share(table.covered, table.n),
            mean_width: table.mean_width,
            median_width: table.median_width,
            interval_score: mean(&|row| row.interval_score(coverage)),
        })
    }
}

/// Groups in order of their first age. A row without a key is in none.
pub(super) fn grouped(
    rows: &[Row],
    coverage: Coverage,
    key: impl Fn(&Row) -> Option<(u32, String)>,
) -> Vec<Group> {
    let figures = |((_, name), rows): ((u32, String), Vec<&Row>)| Group::of(name, &rows, coverage);
    divided(rows, key).into_iter().filter_map(figures).collect()
}

/// The rows by their key.
pub(super) fn divided<K: Ord>(
    rows: &[Row],
    key: impl Fn(&Row) -> Option<K>,
) -> BTreeMap<K, Vec<&Row>> {
    let mut groups: BTreeMap<K, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(key) = key(row) {
            groups.entry(key).or_default().push(row);
        }
    }
    groups
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.as_slice()) {
        (_, []) => 0.0,
        (0, values) => f64::midpoint(values[middle - 1], values[middle]),
        (_, values) => values[middle],
    }
}
