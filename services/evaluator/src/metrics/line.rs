//! The straight line of least squares through points, and how well they lie on it.

use serde::{Deserialize, Serialize};

use super::bounds::{Bounded, resampled};

/// y over x. Bounds are the 2.5th and 97.5th percentiles of a seeded bootstrap (Efron 1979).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What y changes by when x does by 1.
    pub slope: Bounded,
    /// y where x is 0.
    pub intercept: f64,
    /// Pearson's correlation, -1 to 1.
    pub correlation: Bounded,
}

/// Sums of a set of points about their means.
struct Fit {
    slope: f64,
    intercept: f64,
    correlation: f64,
}

impl Fit {
    /// None where all x are the same.
    fn of(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        for (x, y) in points.clone() {
            (count, sum_x, sum_y) = (count + 1.0, sum_x + x, sum_y + y);
        }
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            let (x, y) = (x - mean_x, y - mean_y);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        if xx.is_nan() || xx <= 0.0 {
            return None;
        }
        let slope = xy / xx;
        // Without spread in y there is nothing that x could explain.
        let correlation = if yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 };
        Some(Self { slope, intercept: mean_y - slope * mean_x, correlation })
    }
}

impl Line {
    /// Through points; none where all x are the same.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let fit = Fit::of(points.iter().copied())?;
        // A resample of one x alone has no line; it is one of very many.
        let resampled = resampled(points.len(), |places| {
            let chosen: Vec<_> = places.map(|place| points[place]).collect();
            Fit::of(chosen.into_iter())
        });
        let of = |figure: fn(&Fit) -> f64| resampled.iter().map(figure).collect();
        Some(Self {
            slope: Bounded::by_bootstrap(fit.slope, of(|fit| fit.slope)),
            intercept: fit.intercept,
            correlation: Bounded::by_bootstrap(fit.correlation, of(|fit| fit.correlation)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again_and_its_bounds_hold_it() {
        let exact: Vec<_> = (0..20).map(|x| (f64::from(x), 3.0 + 0.5 * f64::from(x))).collect();
        let line = Line::through(&exact).unwrap();
        assert!((line.slope.value - 0.5).abs() < 1e-12 && (line.intercept - 3.0).abs() < 1e-12);
        assert!((line.correlation.value - 1.0).abs() < 1e-12);
        let noisy: Vec<_> = exact
            .iter()
            .map(|&(x, y)| (x, y + if x as i32 % 2 == 0 { 2.0 } else { -2.0 }))
            .collect();
        let line = Line::through(&noisy).unwrap();
        assert!(line.slope.lower < 0.5 && 0.5 < line.slope.upper, "{line:?}");
        assert!(line.correlation.upper < 1.0);
        assert_eq!(Line::through(&noisy), Some(line));
    }

    #[test]
    fn one_prompt_makes_no_line() {
        assert_eq!(Line::through(&[(3.0, 1.0), (3.0, 2.0)]), None);
        assert_eq!(Line::through(&[]), None);
        // All estimates alike say nothing of the prompts.
        let flat = Line::through(&[(1.0, 5.0), (2.0, 5.0), (3.0, 5.0)]).unwrap();
        assert_eq!((flat.slope.value, flat.correlation.value), (0.0, 0.0));
    }
}
