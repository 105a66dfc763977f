//! Weighted conformal prediction under covariate shift: other faces than at calibration, the same
//! errors for the same face.
//!
//! A classifier tells faces of the calibration's kind (source) from those to come (target); its odds
//! are the likelihood ratio w(x). With pᵢ = wᵢ / (Σw + w(x)) on the scores and w(x) / (Σw + w(x))
//! at infinity, the threshold is the least score up to which the mass reaches the coverage. Neither
//! sample of the classifier may be calibration faces. **Nothing is promised when the same face has
//! other errors than before**, or when a kind of face to come never occurred at calibration.
//!
//! Source: Tibshirani, Barber, Candès, Ramdas, *Conformal Prediction Under Covariate Shift* (2019),
//! corollary 1 and section 2.3.

use crate::calibration::CalibrationSpec;
use crate::{AgeSupport, Coverage, FitError, Prediction, RowError};

/// Why no correction can be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ShiftError {
    /// Too few faces to tell source from target.
    #[error("{0} faces of one kind are too few to learn a shift from; bring 50 of each or more")]
    TooFew(usize),
    /// The calibration rows cannot be used.
    #[error(transparent)]
    Rows(#[from] FitError),
}

const LEAST: usize = 50;
const FEATURES: usize = 5;
/// Keeps weights finite when the two samples can be told apart for sure.
const RIDGE: f64 = 1e-3;
const STEPS: usize = 25;

/// Logistic regression on what a prediction says: its mean, sigma, their squares, their product.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainClassifier {
    centre: [f64; FEATURES],
    scale: [f64; FEATURES],
    /// The last one is the intercept.
    weights: [f64; FEATURES + 1],
    prior: f64,
}

fn features(prediction: &Prediction) -> [f64; FEATURES] {
    let (mean, sigma) = (prediction.mean(), prediction.sigma());
    [mean, sigma, mean * mean, sigma * sigma, mean * sigma]
}

impl DomainClassifier {
    /// Learns to tell `target` from `source` by Newton's method with a small ridge.
    ///
    /// # Errors
    ///
    /// With fewer than 50 faces of either kind.
    pub fn fit(source: &[Prediction], target: &[Prediction]) -> Result<Self, ShiftError> {
        let least = source.len().min(target.len());
        if least < LEAST {
            return Err(ShiftError::TooFew(least));
        }
        let rows: Vec<_> = source.iter().chain(target).map(features).collect();
        let n = rows.len() as f64;
        let mut classifier = Self {
            centre: std::array::from_fn(|f| rows.iter().map(|row| row[f]).sum::<f64>() / n),
            scale: [1.0; FEATURES],
            weights: [0.0; FEATURES + 1],
            prior: source.len() as f64 / target.len() as f64,
        };
        classifier.scale = std::array::from_fn(|f| {
            let square = |row: &[f64; FEATURES]| (row[f] - classifier.centre[f]).powi(2);
            (rows.iter().map(square).sum::<f64>() / n).sqrt().max(1e-9)
        });
        let inputs: Vec<_> = rows.iter().map(|row| classifier.input(row)).collect();
        for _ in 0..STEPS {
            classifier.step(&inputs, source.len());
        }
        Ok(classifier)
    }

    fn input(&self, row: &[f64; FEATURES]) -> [f64; FEATURES + 1] {
        std::array::from_fn(|f| match row.get(f) {
            Some(value) => (value - self.centre[f]) / self.scale[f],
            None => 1.0,
        })
    }

    fn logit(&self, input: &[f64; FEATURES + 1]) -> f64 {
        input.iter().zip(&self.weights).map(|(x, w)| x * w).sum()
    }

    /// One step of Newton: weights += (XᵀSX + λ)⁻¹ (Xᵀ(y − p) − λ·weights).
    fn step(&mut self, inputs: &[[f64; FEATURES + 1]], sources: usize) {
        const N: usize = FEATURES + 1;
        let ridge = RIDGE * inputs.len() as f64;
        let mut hessian = [[0.0; N]; N];
        let mut gradient: [f64; N] = std::array::from_fn(|i| -ridge * self.weights[i]);
        for (index, input) in inputs.iter().enumerate() {
            let p = 1.0 / (1.0 + (-self.logit(input)).exp());
            let y = f64::from(u8::from(index >= sources));
            for i in 0..N {
                gradient[i] += input[i] * (y - p);
                for j in 0..N {
                    hessian[i][j] += input[i] * input[j] * p * (1.0 - p);
                }
            }
        }
        for (i, row) in hessian.iter_mut().enumerate() {
            row[i] += ridge;
        }
        let step = solve(hessian, gradient);
        for (weight, step) in self.weights.iter_mut().zip(step) {
            *weight += step;
        }
    }

    /// The likelihood ratio target : source of a face.
    pub fn weight(&self, prediction: &Prediction) -> f64 {
        let logit = self.logit(&self.input(&features(prediction)));
        // Beyond e³⁰ a face was never seen at calibration: infinity would make of sums NaN.
        logit.clamp(-30.0, 30.0).exp() * self.prior
    }
}

/// Solves a positive definite system by elimination.
fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> [f64; N] {
    for i in 0..N {
        let pivot = a[i];
        for j in i + 1..N {
            let factor = a[j][i] / pivot[i];
            for (entry, above) in a[j].iter_mut().zip(pivot) {
                *entry -= factor * above;
            }
            b[j] -= factor * b[i];
        }
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

/// An interval under covariate shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftedInterval {
    /// The least age inside, in years.
    pub lower: f64,
    /// The greatest age inside, in years.
    pub upper: f64,
    /// False when so much mass lies at infinity that only the whole support keeps the coverage.
    pub sufficient: bool,
}

/// Calibration rows with their weights: one group.
#[derive(Debug, Clone)]
pub struct Shifted {
    spec: CalibrationSpec,
    support: AgeSupport,
    classifier: DomainClassifier,
    scores: Vec<f64>,
    /// Sums of the weights up to and with each score.
    mass: Vec<f64>,
    effective: f64,
}

impl Shifted {
    /// Weighs calibration rows by a classifier that was fitted on other faces. The grouping of the
    /// spec is not used: the weights already tell faces apart.
    ///
    /// # Errors
    ///
    /// When a row lacks what the score needs, or there is none.
    pub fn new(
        spec: CalibrationSpec,
        support: AgeSupport,
        classifier: DomainClassifier,
        rows: &[(Prediction, f64)],
    ) -> Result<Self, ShiftError> {
        if rows.is_empty() {
            return Err(FitError::Empty.into());
        }
        let mut weighed = Vec::with_capacity(rows.len());
        for (row, (prediction, truth)) in rows.iter().enumerate() {
            if let Some(part) = spec.score.needs().filter(|_| prediction.distribution().is_none()) {
                let error = RowError::Lacks { part, spec: spec.score.to_string() };
                return Err(FitError::Row { row, error }.into());
            }
            weighed.push((spec.score.of(prediction, *truth), classifier.weight(prediction)));
        }
        weighed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        let mass: Vec<f64> = weighed
            .iter()
            .map(|(_, weight)| {
                sum += weight;
                sum
            })
            .collect();
        let squares: f64 = weighed.iter().map(|(_, weight)| weight * weight).sum();
        let scores = weighed.into_iter().map(|(score, _)| score).collect();
        Ok(Self { spec, support, classifier, scores, mass, effective: sum * sum / squares })
    }

    /// (Σw)² / Σw²: how many unweighted faces the weighted ones are worth. Below some fifty the
    /// intervals mean little.
    pub fn effective_sample_size(&self) -> f64 {
        self.effective
    }

    /// The ages that contain the truth with probability `coverage` under the shift.
    pub fn interval(&self, prediction: &Prediction, coverage: Coverage) -> ShiftedInterval {
        let total = self.mass.last().copied().unwrap_or(0.0) + self.classifier.weight(prediction);
        let needed = coverage.as_f64() * total;
        let place = self.mass.partition_point(|&mass| mass < needed);
        let (support, mean) = (self.support, self.support.clamp(prediction.mean()));
        match self.scores.get(place) {
            Some(&threshold) => {
                let (lower, upper) = self.spec.score.interval(prediction, threshold);
                ShiftedInterval {
                    lower: support.clamp(lower).min(mean),
                    upper: support.clamp(upper).max(mean),
                    sufficient: true,
                }
            }
            None => ShiftedInterval {
                lower: support.lower(),
                upper: support.upper(),
                sufficient: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, Grouping, Score};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Errors grow with the predicted age; `old` is how much of the crowd is old.
    fn face(rng: &mut ChaCha8Rng, old: f64) -> (Prediction, f64) {
        let u: f64 = rng.random();
        let mean = 20.0 + 60.0 * if rng.random::<f64>() < old { u.sqrt() } else { 1.0 - u.sqrt() };
        let truth = mean + mean / 10.0 * (2.0 * rng.random::<f64>() - 1.0);
        (Prediction::new(mean, 3.0).unwrap(), truth)
    }

    fn predictions(rng: &mut ChaCha8Rng, n: usize, old: f64) -> Vec<Prediction> {
        (0..n).map(|_| face(rng, old).0).collect()
    }

    #[test]
    fn coverage_is_kept_where_plain_thresholds_lose_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(21);
        let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
        let support = AgeSupport::default();
        let (mut kept, mut lost, mut faces) = (0.0, 0.0, 0.0);
        for _ in 0..60 {
            let source = predictions(&mut rng, 600, 0.1);
            let target = predictions(&mut rng, 600, 0.9);
            let classifier = DomainClassifier::fit(&source, &target).unwrap();
            let rows: Vec<_> = (0..600).map(|_| face(&mut rng, 0.1)).collect();
            let plain = Calibration::fit(spec, support, rows.iter().cloned()).unwrap();
            let shifted = Shifted::new(spec, support, classifier, &rows).unwrap();
            let effective = shifted.effective_sample_size();
            assert!((50.0..500.0).contains(&effective), "{effective}");
            for _ in 0..200 {
                let (prediction, truth) = face(&mut rng, 0.9);
                let wide = shifted.interval(&prediction, Coverage::DEFAULT);
                let narrow = plain.interval(&prediction, Coverage::DEFAULT);
                kept += f64::from(u8::from(wide.lower <= truth && truth <= wide.upper));
                lost += f64::from(u8::from(narrow.lower <= truth && truth <= narrow.upper));
                faces += 1.0;
            }
        }
        assert!((kept / faces - 0.9).abs() < 0.02, "{}", kept / faces);
        assert!(lost / faces < 0.85, "{}", lost / faces);
    }

    #[test]
    fn without_a_shift_the_weights_say_little() {
        let mut rng = ChaCha8Rng::seed_from_u64(22);
        let (source, target) = (predictions(&mut rng, 2000, 0.5), predictions(&mut rng, 2000, 0.5));
        let classifier = DomainClassifier::fit(&source, &target).unwrap();
        for prediction in predictions(&mut rng, 100, 0.5) {
            let weight = classifier.weight(&prediction);
            assert!((0.7..1.4).contains(&weight), "{weight}");
        }
    }

    #[test]
    fn a_face_that_was_never_seen_gets_everything() {
        let mut rng = ChaCha8Rng::seed_from_u64(23);
        let young: Vec<_> =
            (0..100).map(|i| Prediction::new(f64::from(i) / 10.0, 1.0).unwrap()).collect();
        let old: Vec<_> =
            (0..100).map(|i| Prediction::new(90.0 + f64::from(i) / 10.0, 9.0).unwrap()).collect();
        let classifier = DomainClassifier::fit(&young, &old).unwrap();
        let rows: Vec<_> =
            young.iter().map(|p| (p.clone(), p.mean() + rng.random::<f64>())).collect();
        let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
        let shifted = Shifted::new(spec, AgeSupport::default(), classifier, &rows).unwrap();
        let interval = shifted.interval(&old[50], Coverage::DEFAULT);
        assert!(!interval.sufficient);
        assert_eq!((interval.lower, interval.upper), (0.0, 116.0));
    }

    #[test]
    fn too_few_faces_are_refused() {
        let few = vec![Prediction::new(30.0, 1.0).unwrap(); 49];
        assert_eq!(DomainClassifier::fit(&few, &few), Err(ShiftError::TooFew(49)));
    }
}
