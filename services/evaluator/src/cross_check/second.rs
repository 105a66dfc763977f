//! What a second predictor says of the same images. Two that agree with each other and not with the
//! prompt point at the generator.

use agespan_conformal::Coverage;
use serde::{Deserialize, Serialize};

use super::{Row, as_labelled};
use crate::metrics::{self, Bounded, Gender, Group, Line};

/// A second predictor's answer about an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondAnswer {
    /// Estimated age in years.
    pub estimate: f64,
    /// Ends of the interval, in years.
    pub interval: (f64, f64),
    /// P(female).
    pub probability_female: f64,
    /// Estimated gender.
    pub answered_female: bool,
}

/// The figures of a second predictor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// "models/{id}".
    pub model: String,
    /// "calibrations/{id}".
    pub calibration: String,
    /// Its estimates over prompts.
    pub line: Line,
    /// Its figures with the prompted age in the place of the true one.
    pub overall: Group,
    /// Its genders against the prompted ones.
    pub gender: Gender,
    /// How far its estimates lie from the first predictor's, in years.
    pub apart: Bounded,
}

impl Second {
    /// None without two different prompts that it answered about.
    pub fn of(
        rows: &[Row],
        (model, calibration): (String, String),
        coverage: Coverage,
    ) -> Option<Self> {
        let answered = rows.iter().filter_map(|row| Some((row, row.second?)));
        let labelled: Vec<_> = answered
            .clone()
            .map(|(row, second)| metrics::Row {
                estimate: second.estimate,
                interval: second.interval,
                probability_female: second.probability_female,
                answered_female: second.answered_female,
                ..as_labelled(row)
            })
            .collect();
        let apart: Vec<f64> =
            answered.map(|(row, second)| (row.estimate - second.estimate).abs()).collect();
        let found = metrics::measure(&labelled, coverage)?;
        Some(Self {
            model,
            calibration,
            line: found.line?,
            overall: found.overall,
            gender: found.gender,
            apart: Bounded::mean(&apart),
        })
    }
}
