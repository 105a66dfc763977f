//! For whom the answers are worst.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bounds::{Bounded, mean};
use super::group::divided;
use super::{Row, gender_word, race_word};

/// Below so many faces a group is too small to be called the worst.
const LEAST: usize = 30;

/// The best and the worst group of a division by one figure. Which they are was found on the same
/// faces, so that the gap is a little flattered upwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// What the faces are divided by.
    pub by: String,
    /// The figure: "error" or "width" in years, "coverage", or "gender", the share of right
    /// answers.
    pub figure: String,
    /// The group with the worst figure.
    pub worst: String,
    /// Its figure.
    pub worst_value: f64,
    /// The group with the best.
    pub best: String,
    /// Its figure.
    pub best_value: f64,
    /// Worst less best, with percentile-bootstrap bounds.
    pub gap: Bounded,
}

/// A figure as a mean over faces.
struct Figure {
    name: &'static str,
    of: fn(&Row) -> Option<f64>,
    /// Whether less of it is better.
    less_is_better: bool,
}

const FIGURES: [Figure; 4] = [
    Figure { name: "error", of: |row| Some(row.error()), less_is_better: true },
    Figure { name: "width", of: |row| Some(row.width()), less_is_better: true },
    Figure {
        name: "coverage",
        of: |row| Some(f64::from(u8::from(row.is_covered()))),
        less_is_better: false,
    },
    Figure {
        name: "gender",
        of: |row| Some(f64::from(u8::from(row.female? == row.answered_female))),
        less_is_better: false,
    },
];

/// Gaps between genders, races, and both; none where there are no two groups of thirty faces.
pub(super) fn gaps(rows: &[Row]) -> Vec<Gap> {
    let known = |word: &str| (word != "unknown").then(|| word.to_owned());
    let both = |row: &Row| Some(format!("{} {}", known(gender_word(row))?, known(race_word(row))?));
    let divisions = [
        ("gender", divided(rows, |row| known(gender_word(row)))),
        ("race", divided(rows, |row| known(race_word(row)))),
        ("gender and race", divided(rows, both)),
    ];
    let of_division = |(by, groups): &(&str, BTreeMap<String, Vec<&Row>>)| -> Vec<Gap> {
        FIGURES.iter().filter_map(|figure| figure.gap(by, groups)).collect()
    };
    divisions.iter().flat_map(of_division).collect()
}

impl Figure {
    fn gap(&self, by: &str, groups: &BTreeMap<String, Vec<&Row>>) -> Option<Gap> {
        let of_group = |(name, rows): (&String, &Vec<&Row>)| {
            let values: Vec<f64> = rows.iter().filter_map(|row| (self.of)(row)).collect();
            (values.len() >= LEAST).then(|| (mean(&values), name.clone(), values))
        };
        let mut ordered: Vec<_> = groups.iter().filter_map(of_group).collect();
        ordered.sort_by(|left, right| left.0.total_cmp(&right.0));
        let [least, .., most] = ordered.as_slice() else { return None };
        let (best, worst) = if self.less_is_better { (least, most) } else { (most, least) };
        Some(Gap {
            by: by.to_owned(),
            figure: self.name.to_owned(),
            worst: worst.1.clone(),
            worst_value: worst.0,
            best: best.1.clone(),
            best_value: best.0,
            gap: Bounded::difference(&worst.2, &best.2),
        })
    }
}
