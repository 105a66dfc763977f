//! Figures of the gender answers. "Female" is the class that is looked for.

use serde::{Deserialize, Serialize};

use super::Row;
use super::bounds::{Bounded, resampled};

/// Points of a ROC curve that are kept, apart from its ends.
const POINTS: usize = 100;

/// Of the faces whose gender is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gender {
    /// Share of right answers, with Clopper–Pearson bounds.
    pub accuracy: Bounded,
    /// Mean of the two genders' shares of right answers.
    pub balanced_accuracy: f64,
    /// Harmonic mean of precision and recall of "female".
    #[serde(default)]
    pub f1: f64,
    /// The same of "male".
    #[serde(default)]
    pub f1_male: f64,
    /// Females answered "female".
    pub female_as_female: u64,
    /// Females answered "male".
    pub female_as_male: u64,
    /// Males answered "male".
    pub male_as_male: u64,
    /// Males answered "female".
    pub male_as_female: u64,
    /// What other thresholds of P(female) would give; none where a gender is missing.
    #[serde(default)]
    pub roc: Option<Roc>,
}

/// The receiver operating characteristic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Roc {
    /// The area below the curve: how often a female has the higher P(female) of a female and a male
    /// (Hanley and McNeil 1982), with percentile-bootstrap bounds.
    pub area: Bounded,
    /// The curve from the highest threshold to the lowest, thinned out to a hundred points.
    pub points: Vec<RocPoint>,
}

/// A threshold and what it gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// P(female) from which the answer is "female".
    pub threshold: f64,
    /// Share of females answered "female".
    pub true_rate: f64,
    /// Share of males answered "female".
    pub false_rate: f64,
}

impl Gender {
    pub(super) fn of(rows: &[Row]) -> Self {
        let count = |female: bool, answered: bool| {
            let is_hit = |row: &&Row| row.female == Some(female) && row.answered_female == answered;
            rows.iter().filter(is_hit).count() as u64
        };
        let (female_as_female, female_as_male) = (count(true, true), count(true, false));
        let (male_as_male, male_as_female) = (count(false, false), count(false, true));
        let wrong = female_as_male + male_as_female;
        let right = female_as_female + male_as_male;
        // 2 precision recall / (precision + recall), in counts.
        let f1 = |hits: u64| ratio(2 * hits, 2 * hits + wrong);
        Self {
            accuracy: Bounded::share(right, right + wrong),
            balanced_accuracy: f64::midpoint(
                ratio(female_as_female, female_as_female + female_as_male),
                ratio(male_as_male, male_as_male + male_as_female),
            ),
            f1: f1(female_as_female),
            f1_male: f1(male_as_male),
            female_as_female,
            female_as_male,
            male_as_male,
            male_as_female,
            roc: Roc::of(rows),
        }
    }
}

impl Roc {
    /// None where a gender is missing.
    fn of(rows: &[Row]) -> Option<Self> {
        let mut known: Vec<(f64, bool)> =
            rows.iter().filter_map(|row| Some((row.probability_female, row.female?))).collect();
        known.sort_by(|left, right| right.0.total_cmp(&left.0));
        let curve = curve(&known);
        let value = area(&curve)?;
        let areas = resampled(known.len(), |places| {
            let mut times = vec![0_u32; known.len()];
            places.for_each(|place| times[place] += 1);
            let drawn = known.iter().zip(times);
            let drawn: Vec<_> =
                drawn.flat_map(|(face, times)| (0..times).map(move |_| *face)).collect();
            area(&self::curve(&drawn))
        });
        Some(Self { area: Bounded::by_bootstrap(value, areas), points: thinned(&curve) })
    }
}

/// The points at which the curve may turn, for faces in falling order of P(female): equal
/// probabilities are passed in one step.
fn curve(faces: &[(f64, bool)]) -> Vec<RocPoint> {
    let females = faces.iter().filter(|(_, female)| *female).count() as f64;
    let males = faces.len() as f64 - females;
    let mut points = vec![RocPoint { threshold: 1.0, true_rate: 0.0, false_rate: 0.0 }];
    let (mut true_females, mut false_females) = (0.0, 0.0);
    for (place, &(threshold, female)) in faces.iter().enumerate() {
        if female {
            true_females += 1.0;
        } else {
            false_females += 1.0;
        }
        if faces.get(place + 1).is_none_or(|next| next.0 < threshold) {
            let (true_rate, false_rate) = (true_females / females, false_females / males);
            points.push(RocPoint { threshold, true_rate, false_rate });
        }
    }
    points
}

/// By trapezia; none where a gender is missing.
fn area(curve: &[RocPoint]) -> Option<f64> {
    let below = |pair: &[RocPoint]| {
        (pair[1].false_rate - pair[0].false_rate)
            * f64::midpoint(pair[0].true_rate, pair[1].true_rate)
    };
    let area: f64 = curve.windows(2).map(below).sum();
    (curve.len() > 1 && area.is_finite()).then_some(area)
}

/// Both ends and points between them at equal distances.
fn thinned(curve: &[RocPoint]) -> Vec<RocPoint> {
    let last = curve.len().saturating_sub(1);
    let steps = last.min(POINTS);
    (0..=steps).map(|step| curve[step * last / steps.max(1)]).collect()
}

fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}
