//! What the estimator says of faces that were drawn to a prompt.
//!
//! * [`Row`]: an image, what it was asked to show, and what was estimated.
//! * [`CrossCheck`]: the figures of all of them; [`measure`] computes them.
//! * [`Second`]: the same by a second predictor.
//! * [`answer`]: what the figures say, in words.
//! * [`page`]: all of it as an HTML page, with the pictures.
//!
//! A prompt is no true age: whether an interval holds the prompted age is *agreement* and never
//! coverage, and who is wrong where they differ, generator or estimator, cannot be told from the images
//! alone.

mod answer;
mod page;
mod plots;
mod second;

use agespan_conformal::Coverage;
use serde::{Deserialize, Serialize};

use crate::metrics::{self, Bounded, Line, Metrics};

pub use answer::answer;
pub use page::page;
pub use second::{Second, SecondAnswer};

/// An image, what it was asked to show, and what was estimated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Index in its generation job.
    pub index: u32,
    /// Seed that it was drawn from.
    pub seed: u64,
    /// Prompted age in completed years.
    pub age: u32,
    /// Prompted gender.
    pub female: bool,
    /// Prompted race.
    pub race: String,
    /// Estimated age in years.
    pub estimate: f64,
    /// Ends of the interval, in years.
    pub interval: (f64, f64),
    /// Ends of the interval that corrects for the shift, where that could be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifted: Option<(f64, f64)>,
    /// The group that the interval's threshold came from.
    pub group: String,
    /// P(female).
    pub probability_female: f64,
    /// Estimated gender.
    pub answered_female: bool,
    /// Faces that a detector found; none where it did not look.
    pub faces: Option<u32>,
    /// A second predictor's answer, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<SecondAnswer>,
    /// The image, a PNG file in base64.
    pub image: String,
}

/// Agreement of intervals that correct for the shift.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shifted {
    /// Share of prompted ages inside their interval, with Clopper–Pearson bounds.
    pub inside: Bounded,
    /// In years.
    pub mean_width: f64,
    /// How many drawn faces the weighted real ones are worth.
    pub effective_sample_size: f64,
}

/// What was found on the images of a generation job. The same inputs give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossCheck {
    /// "jobs/{id}" of the generation.
    pub generated: String,
    /// "pipelines/{id}" that drew them.
    #[serde(default)]
    pub pipeline: String,
    /// "models/{id}".
    pub model: String,
    /// "calibrations/{id}".
    pub calibration: String,
    /// Coverage that was asked for.
    pub coverage: f64,
    /// Images that the estimator refused.
    pub refused: u64,
    /// Estimates over prompts.
    pub line: Line,
    /// Figures with the prompted age in the place of the true one.
    pub agreement: Metrics,
    /// The same for intervals that correct for the shift, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifted: Option<Shifted>,
    /// The same by a second predictor, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Second>,
    /// Every image.
    pub rows: Vec<Row>,
}

/// The figures; none without two different prompts.
pub fn measure(rows: &[Row], coverage: Coverage) -> Option<(Line, Metrics)> {
    let labelled: Vec<_> = rows.iter().map(as_labelled).collect();
    let mut metrics = metrics::measure(&labelled, coverage)?;
    Some((metrics.line.take()?, metrics))
}

/// Agreement of the shifted intervals; none where a row has none.
pub fn shifted(rows: &[Row], effective_sample_size: f64) -> Option<Shifted> {
    let intervals: Vec<_> = rows.iter().map(|row| row.shifted).collect::<Option<_>>()?;
    let holds =
        |row: &Row, (lower, upper): (f64, f64)| (lower..=upper).contains(&f64::from(row.age));
    let inside = rows.iter().zip(&intervals).filter(|(row, of)| holds(row, **of)).count();
    let width: f64 = intervals.iter().map(|(lower, upper)| upper - lower).sum();
    Some(Shifted {
        inside: Bounded::share(inside as u64, rows.len() as u64),
        mean_width: width / rows.len().max(1) as f64,
        effective_sample_size,
    })
}

/// The prompt in the place of the labels.
fn as_labelled(row: &Row) -> metrics::Row {
    metrics::Row {
        path: row.index.to_string(),
        age: f64::from(row.age),
        female: Some(row.female),
        estimate: row.estimate,
        interval: row.interval,
        group: row.group.clone(),
        answered_female: row.answered_female,
        probability_female: row.probability_female,
        race: row.race.clone(),
    }
}

#[cfg(test)]
mod tests;
