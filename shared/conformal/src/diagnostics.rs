//! Where a promise that holds on average may hide that it does not hold everywhere.
//!
//! * [`size_stratified`]: coverage of narrow and of wide intervals apart.
//! * [`worst_slab`]: the least coverage of any slab of the feature space.
//! * [`calibration_curve`]: observed against promised coverage, over levels.

use crate::{
    Calibration, Coverage, CoverageRow, CoverageTable, EvaluateError, Outcome, Prediction,
};

/// An interval, the truth, and what may explain its errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosed {
    /// The least age inside, in years.
    pub lower: f64,
    /// The greatest age inside, in years.
    pub upper: f64,
    /// The true age in years.
    pub truth: f64,
    /// Numbers known before the truth, as many for each: the predicted age, sigma, …
    pub features: Vec<f64>,
}

impl Diagnosed {
    fn covered(&self) -> bool {
        self.lower <= self.truth && self.truth <= self.upper
    }

    fn width(&self) -> f64 {
        self.upper - self.lower
    }
}

/// Coverage by width, in so many classes of equal size, the narrowest first. A score that makes
/// intervals wide where it need not, and narrow where it must not, shows here.
///
/// Source: Angelopoulos, Bates, Malik, Jordan, *Uncertainty Sets for Image Classifiers using
/// Conformal Prediction* (2021), section 4.
///
/// # Errors
///
/// As [`CoverageTable::new`].
pub fn size_stratified(
    rows: &[Diagnosed],
    nominal: Coverage,
    classes: usize,
) -> Result<Vec<CoverageRow>, EvaluateError> {
    let mut widths: Vec<f64> = rows.iter().map(Diagnosed::width).collect();
    widths.sort_unstable_by(f64::total_cmp);
    // Equal widths are never divided, so there may be fewer classes than asked for.
    let mut cuts: Vec<f64> = (1..classes).map(|i| widths[i * widths.len() / classes]).collect();
    cuts.dedup();
    let mut ends = vec![widths.first().copied().unwrap_or_default()];
    ends.extend(&cuts);
    ends.push(widths.last().copied().unwrap_or_default());
    let labels: Vec<String> =
        ends.windows(2).map(|ends| format!("{:.1} to {:.1} years", ends[0], ends[1])).collect();
    let class = |row: &Diagnosed| cuts.partition_point(|&cut| cut <= row.width());
    let mut table = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let of_class = rows.iter().filter(|row| class(row) == index).map(|row| Outcome {
            lower: row.lower,
            upper: row.upper,
            truth: row.truth,
            group: label,
        });
        match CoverageTable::new(nominal, of_class) {
            Ok(found) => table.push(CoverageRow { group: label.clone(), ..found.overall }),
            Err(EvaluateError::Empty) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(table)
}

/// A slab { x : a ≤ v·x ≤ b } of the feature space, and how well its faces are covered.
#[derive(Debug, Clone, PartialEq)]
pub struct Slab {
    /// v, in standard deviations of each feature.
    pub direction: Vec<f64>,
    /// How many of the second half of the rows lie in it.
    pub n: u64,
    /// How many of them are covered.
    pub covered: u64,
}

/// The worst of many slabs that hold at least a share `least` of the rows. It is sought on every
/// other row and counted on the rest, so that a slab which is bad by chance does not stay bad.
///
/// `directions` is an iterator of directions, drawn by the caller, so that the seed is the
/// caller's too. Source: Cauchois, Gupta, Duchi, *Knowing what You Know: Valid and Validated
/// Confidence Sets in Multiclass and Multilabel Prediction* (2021), equation 14.
pub fn worst_slab(
    rows: &[Diagnosed],
    least: f64,
    directions: impl IntoIterator<Item = Vec<f64>>,
) -> Option<Slab> {
    let standard = standardised(rows);
    let covered: Vec<bool> = rows.iter().map(Diagnosed::covered).collect();
    let mut worst: Option<(f64, Vec<f64>, (f64, f64))> = None;
    for direction in directions {
        let mut placed: Vec<(f64, bool)> = (0..rows.len())
            .step_by(2)
            .map(|i| (along(&direction, &standard[i]), covered[i]))
            .collect();
        placed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let least = ((least * placed.len() as f64).ceil() as usize).max(1);
        if let Some((coverage, first, last)) = worst_window(&placed, least)
            && worst.as_ref().is_none_or(|worst| coverage < worst.0)
        {
            worst = Some((coverage, direction, (placed[first].0, placed[last].0)));
        }
    }
    let (_, direction, (from, to)) = worst?;
    let inside: Vec<bool> = (1..rows.len())
        .step_by(2)
        .filter(|&i| (from..=to).contains(&along(&direction, &standard[i])))
        .map(|i| covered[i])
        .collect();
    let count = inside.iter().filter(|covered| **covered).count();
    Some(Slab { direction, n: inside.len() as u64, covered: count as u64 })
}

fn along(direction: &[f64], features: &[f64]) -> f64 {
    direction.iter().zip(features).map(|(v, x)| v * x).sum()
}

fn standardised(rows: &[Diagnosed]) -> Vec<Vec<f64>> {
    let width = rows.first().map_or(0, |row| row.features.len());
    let n = rows.len() as f64;
    let moments: Vec<(f64, f64)> = (0..width)
        .map(|f| {
            let mean = rows.iter().map(|row| row.features[f]).sum::<f64>() / n;
            let square = |row: &Diagnosed| (row.features[f] - mean).powi(2);
            (mean, (rows.iter().map(square).sum::<f64>() / n).sqrt().max(1e-12))
        })
        .collect();
    let standard = |row: &Diagnosed| {
        row.features.iter().zip(&moments).map(|(x, (mean, sd))| (x - mean) / sd).collect()
    };
    rows.iter().map(standard).collect()
}

/// The window of at least `least` rows with the least coverage, among all of `least` to twice that
/// many: a longer one is two shorter ones, one of which is as bad.
fn worst_window(placed: &[(f64, bool)], least: usize) -> Option<(f64, usize, usize)> {
    let mut sums = vec![0_u32];
    for (_, covered) in placed {
        sums.push(sums[sums.len() - 1] + u32::from(*covered));
    }
    let mut worst: Option<(f64, usize, usize)> = None;
    for first in 0..placed.len() {
        for length in least..=(2 * least).min(placed.len() - first) {
            let covered = f64::from(sums[first + length] - sums[first]) / length as f64;
            if worst.is_none_or(|worst| covered < worst.0) {
                worst = Some((covered, first, first + length - 1));
            }
        }
    }
    worst
}

/// Observed coverage on rows that were not calibrated on, at each of the levels.
///
/// # Errors
///
/// As [`CoverageTable::new`].
pub fn calibration_curve(
    calibration: &Calibration,
    rows: &[(Prediction, f64)],
    levels: impl IntoIterator<Item = Coverage>,
) -> Result<Vec<CoverageTable>, EvaluateError> {
    let curve = levels.into_iter().map(|level| {
        let at = calibration.at(level);
        let outcome = |(prediction, truth): &(Prediction, f64)| {
            let bounds = at.bounds(prediction);
            Outcome { lower: bounds.lower, upper: bounds.upper, truth: *truth, group: "all" }
        };
        CoverageTable::new(level, rows.iter().map(outcome))
    });
    curve.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgeSupport, CalibrationSpec, Grouping, Score};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Covered nine times in ten, but those with both features high only every other time.
    fn rows(rng: &mut ChaCha8Rng, n: usize) -> Vec<Diagnosed> {
        (0..n)
            .map(|_| {
                let features = vec![rng.random::<f64>(), rng.random::<f64>()];
                let hard = features[0] + features[1] > 1.5;
                let covered = rng.random::<f64>() < if hard { 0.5 } else { 0.95 };
                let width = if hard { 4.0 } else { 8.0 };
                Diagnosed {
                    lower: 0.0,
                    upper: width,
                    truth: if covered { 1.0 } else { 9.0 },
                    features,
                }
            })
            .collect()
    }

    fn directions(rng: &mut ChaCha8Rng, n: usize) -> Vec<Vec<f64>> {
        (0..n).map(|_| (0..2).map(|_| rng.random::<f64>() - 0.5).collect()).collect()
    }

    #[test]
    fn the_worst_slab_is_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows = rows(&mut rng, 4000);
        let slab = worst_slab(&rows, 0.1, directions(&mut rng, 50)).unwrap();
        assert!(slab.n > 100);
        assert!((slab.covered as f64) < 0.65 * slab.n as f64, "{slab:?}");
    }

    /// Counted on other rows than it was sought on, an even coverage stays even.
    #[test]
    fn there_is_no_worst_slab_where_all_are_covered_alike() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut rows = rows(&mut rng, 4000);
        for row in &mut rows {
            row.truth = if rng.random::<f64>() < 0.9 { 1.0 } else { 9.0 };
        }
        let slab = worst_slab(&rows, 0.1, directions(&mut rng, 50)).unwrap();
        assert!((slab.covered as f64) > 0.82 * slab.n as f64, "{slab:?}");
        assert_eq!(worst_slab(&[], 0.1, directions(&mut rng, 5)), None);
    }

    #[test]
    fn narrow_and_wide_intervals_are_counted_apart() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let table = size_stratified(&rows(&mut rng, 4000), Coverage::DEFAULT, 4).unwrap();
        assert_eq!(table.len(), 2, "there are two widths");
        assert!(table[0].below_nominal && !table[1].below_nominal);
        assert_eq!(table[0].mean_width, 4.0);
        assert_eq!(table.iter().map(|row| row.n).sum::<u64>(), 4000);
    }

    #[test]
    fn a_curve_rises_with_its_levels() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut draw = |n: usize| -> Vec<(Prediction, f64)> {
            (0..n)
                .map(|_| (Prediction::new(50.0, 1.0).unwrap(), 100.0 * rng.random::<f64>()))
                .collect()
        };
        let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
        let calibration = Calibration::fit(spec, AgeSupport::default(), draw(2000)).unwrap();
        let levels = (1..20).map(|twentieth| Coverage::from_ratio(twentieth, 20).unwrap());
        let curve = calibration_curve(&calibration, &draw(2000), levels).unwrap();
        assert_eq!(curve.len(), 19);
        for table in &curve {
            assert!((table.overall.coverage - table.nominal).abs() < 0.05, "{:?}", table.overall);
        }
    }
}
