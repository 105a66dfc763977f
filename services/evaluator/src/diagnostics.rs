//! Where a promise that holds on average may hide that it does not hold everywhere. The statistics
//! are in `agespan_conformal`; here they are asked about an evaluation's faces.

use agespan_conformal::{
    Calibration, Coverage, CoverageRow, Diagnosed, Prediction, calibration_curve, size_stratified,
    worst_slab,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::metrics::{Bounded, Row};

/// Classes by the width of the interval.
const WIDTH_CLASSES: usize = 5;
/// The least share of the faces in a slab.
const LEAST_SLAB: f64 = 0.1;
/// Below so many faces a tenth of a half is no group of faces any more.
const LEAST_FACES: usize = 40;
/// Slabs lie along so many directions.
const DIRECTIONS: usize = 200;
const DIRECTIONS_SEED: u64 = 0;

/// Coverage of some faces at one level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelCoverage {
    /// Which faces.
    pub name: String,
    /// The promise.
    pub level: f64,
    /// How many faces.
    pub count: u64,
    /// Share of ages inside their interval, with Clopper–Pearson bounds.
    pub coverage: Bounded,
    /// In years.
    pub mean_width: f64,
}

/// The worst of many slabs of the feature space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstSlab {
    /// Weights of predicted age, sigma and P(female), each in its standard deviations.
    pub direction: Vec<f64>,
    /// Faces of the counting half that lie in it.
    pub count: u64,
    /// Share of ages inside their interval, with Clopper–Pearson bounds.
    pub coverage: Bounded,
}

/// What was looked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Observed coverage over promised levels.
    pub curve: Vec<LevelCoverage>,
    /// By the width of the interval, the narrowest first.
    pub by_width: Vec<LevelCoverage>,
    /// None with too few faces.
    pub worst_slab: Option<WorstSlab>,
}

/// Looks at the faces of an evaluation, whose intervals were made from these predictions by this
/// calibration.
pub fn diagnose(
    rows: &[Row],
    predictions: &[Prediction],
    calibration: &Calibration,
    coverage: Coverage,
) -> Diagnostics {
    let diagnosed: Vec<Diagnosed> =
        rows.iter().zip(predictions).map(|(row, prediction)| diagnosed(row, prediction)).collect();
    // Intervals that are none were refused by the metrics already.
    let by_width = size_stratified(&diagnosed, coverage, WIDTH_CLASSES).unwrap_or_default();
    Diagnostics {
        curve: curve(rows, predictions, calibration),
        by_width: by_width.iter().map(|row| level(coverage.as_f64(), row)).collect(),
        worst_slab: (rows.len() >= LEAST_FACES).then(|| slab(&diagnosed)).flatten(),
    }
}

fn diagnosed(row: &Row, prediction: &Prediction) -> Diagnosed {
    Diagnosed {
        lower: row.interval.0,
        upper: row.interval.1,
        truth: row.age,
        features: vec![row.estimate, prediction.sigma(), row.probability_female],
    }
}

/// From 5 % to 95 %, and 99 %.
fn curve(
    rows: &[Row],
    predictions: &[Prediction],
    calibration: &Calibration,
) -> Vec<LevelCoverage> {
    let levels =
        (1..20).map(|i| Coverage::from_ratio(i, 20)).chain([Coverage::from_ratio(99, 100)]);
    let rows: Vec<(Prediction, f64)> =
        predictions.iter().cloned().zip(rows.iter().map(|row| row.age)).collect();
    let tables = calibration_curve(calibration, &rows, levels.flatten()).unwrap_or_default();
    tables.iter().map(|table| level(table.nominal, &table.overall)).collect()
}

fn level(level: f64, row: &CoverageRow) -> LevelCoverage {
    LevelCoverage {
        name: row.group.clone(),
        level,
        count: row.n,
        coverage: Bounded::share(row.covered, row.n),
        mean_width: row.mean_width,
    }
}

fn slab(rows: &[Diagnosed]) -> Option<WorstSlab> {
    let mut random = ChaCha8Rng::seed_from_u64(DIRECTIONS_SEED);
    let features = rows.first()?.features.len();
    let mut direction = || (0..features).map(|_| random.random_range(-1.0..=1.0)).collect();
    let directions: Vec<Vec<f64>> = (0..DIRECTIONS).map(|_| direction()).collect();
    let slab = worst_slab(rows, LEAST_SLAB, directions)?;
    let (count, coverage) = (slab.n, Bounded::share(slab.covered, slab.n));
    Some(WorstSlab { direction: slab.direction, count, coverage })
}
