//! Rows of labels and answers to figures with bounds.
//!
//! * [`Row`]: a face, its labels and what was answered.
//! * [`Metrics`]: the figures of all of them; [`measure`] computes them.
//! * [`Group`], [`Gender`], [`Line`], [`Gap`]: what they consist of.
//! * [`AgeCheck`]: "at least T?" asked about them.
//! * [`Comparison`]: two models or calibrations on the same faces.

mod bounds;
mod comparison;
mod decisions;
mod fairness;
mod gender;
mod group;
mod line;

use agespan_conformal::Coverage;
use serde::{Deserialize, Serialize};

pub use bounds::Bounded;
pub use comparison::Comparison;
pub use decisions::{AgeCheck, Decided, Year, check_age};
pub use fairness::Gap;
pub use gender::{Gender, Roc, RocPoint};
pub use group::Group;
pub use line::Line;

use group::grouped;

/// One face: what the label says, and what the estimator answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Path of the face within its data set.
    pub path: String,
    /// Age label in completed years.
    pub age: f64,
    /// Gender label, where there is one.
    pub female: Option<bool>,
    /// Race label; empty where there is none.
    pub race: String,
    /// Estimated age in years.
    pub estimate: f64,
    /// Ends of the interval, in years.
    pub interval: (f64, f64),
    /// The group that the interval's threshold came from.
    pub group: String,
    /// P(female).
    pub probability_female: f64,
    /// Answered gender.
    pub answered_female: bool,
}

impl Row {
    /// |estimate − age| in years.
    pub fn error(&self) -> f64 {
        (self.estimate - self.age).abs()
    }

    /// Of the interval, in years.
    pub fn width(&self) -> f64 {
        self.interval.1 - self.interval.0
    }

    /// Whether the interval holds the age, ends included.
    pub fn is_covered(&self) -> bool {
        (self.interval.0..=self.interval.1).contains(&self.age)
    }

    fn interval_score(&self, coverage: Coverage) -> f64 {
        let missed = (self.interval.0 - self.age).max(self.age - self.interval.1).max(0.0);
        self.width() + 2.0 / coverage.complement().as_f64() * missed
    }
}

/// The faces divided by something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Division {
    /// By what.
    pub by: String,
    /// The parts.
    pub groups: Vec<Group>,
}

/// All figures of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// All faces.
    pub overall: Group,
    /// Estimates over ages; none where all are of one age.
    #[serde(default)]
    pub line: Option<Line>,
    /// By the group that the interval's threshold came from: what the intervals promise.
    pub by_predicted_group: Vec<Group>,
    /// By decade of the true age: no promise, but worth knowing.
    pub by_true_decade: Vec<Group>,
    /// By labels other than the age alone.
    #[serde(default)]
    pub divisions: Vec<Division>,
    /// For whom the answers are worst.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Gender.
    pub gender: Gender,
}

/// The figures of these faces; none without a face, or with an interval that is none.
pub fn measure(rows: &[Row], coverage: Coverage) -> Option<Metrics> {
    let all: Vec<&Row> = rows.iter().collect();
    let points: Vec<_> = rows.iter().map(|row| (row.age, row.estimate)).collect();
    Some(Metrics {
        overall: Group::of("all".to_owned(), &all, coverage)?,
        line: Line::through(&points),
        by_predicted_group: grouped(rows, coverage, predicted_group),
        by_true_decade: grouped(rows, coverage, |row| Some(true_decade(row))),
        divisions: divisions(rows, coverage),
        gaps: fairness::gaps(rows),
        gender: Gender::of(rows),
    })
}

/// A group without a first age ("all") is the overall figure.
fn predicted_group(row: &Row) -> Option<(u32, String)> {
    let digits: String = row.group.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, row.group.clone()))
}

fn true_decade(row: &Row) -> (u32, String) {
    let decade = row.age as u32 / 10 * 10;
    (decade, format!("{decade}-{}", decade + 9))
}

fn gender_word(row: &Row) -> &'static str {
    match row.female {
        Some(true) => "female",
        Some(false) => "male",
        None => "unknown",
    }
}

fn race_word(row: &Row) -> &str {
    if row.race.is_empty() { "unknown" } else { &row.race }
}

/// By gender and race as labelled, and by the products of these and the true decade.
fn divisions(rows: &[Row], coverage: Coverage) -> Vec<Division> {
    let divide = |by: &str, key: &dyn Fn(&Row) -> (u32, String)| Division {
        by: by.to_owned(),
        groups: grouped(rows, coverage, |row| Some(key(row))),
    };
    let with_decade = |label: &str, row: &Row| {
        let (first_age, decade) = true_decade(row);
        (first_age, format!("{label} {decade}"))
    };
    let both = |row: &Row| format!("{} {}", gender_word(row), race_word(row));
    vec![
        divide("gender", &|row| (0, gender_word(row).to_owned())),
        divide("race", &|row| (0, race_word(row).to_owned())),
        divide("gender and race", &|row| (0, both(row))),
        divide("gender and true decade", &|row| with_decade(gender_word(row), row)),
        divide("race and true decade", &|row| with_decade(race_word(row), row)),
    ]
}

#[cfg(test)]
mod tests;
