//! The Fréchet distance of two Gaussians (Dowson and Landau 1982), which is FID where these are the
//! means and covariances of features (Heusel et al. 2017, arXiv 1706.08500):
//!
//! > d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½
//!
//! The last trace is the sum of the roots of Σ₁Σ₂'s eigenvalues. With Σ₁ = F Fᵀ they are those of
//! the symmetric Fᵀ Σ₂ F: real, not negative, and found several times sooner than a matrix root,
//! also where a covariance is singular.

use faer::{Mat, Side};

use crate::MetricError;
use crate::products::{inner, product};

/// Mean and covariance of so many rows of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    /// Rows that they were found from.
    pub count: usize,
    /// The means.
    pub mean: Vec<f64>,
    /// The covariances, symmetric; divisor n − 1.
    pub covariance: Mat<f64>,
}

impl Gaussian {
    /// From a covariance that lies row by row.
    ///
    /// # Errors
    /// [`MetricError::Dimensions`] when it is not square as the mean is long, and
    /// [`MetricError::NotFinite`].
    pub fn new(count: usize, mean: Vec<f64>, covariance: &[f64]) -> Result<Self, MetricError> {
        let side = mean.len();
        if side == 0 || covariance.len() != side * side {
            return Err(MetricError::Dimensions { left: side, right: covariance.len() });
        }
        let bad = |value: &f64| !value.is_finite();
        if let Some(at) = mean.iter().chain(covariance).position(bad) {
            return Err(MetricError::NotFinite { row: at / side, column: at % side });
        }
        let covariance = Mat::from_fn(side, side, |row, column| covariance[row * side + column]);
        Ok(Self { count, mean, covariance })
    }

    /// The factor F of the covariance, Σ = F Fᵀ, for several distances from this one.
    ///
    /// # Errors
    /// [`MetricError::Eigenvalues`].
    pub fn spread(&self) -> Result<Spread<'_>, MetricError> {
        let eigen = solved(&self.covariance, |of| of.self_adjoint_eigen(Side::Lower).ok())?;
        let roots = roots(&eigen.S().column_vector().iter().copied().collect::<Vec<_>>());
        let (side, vectors) = (self.mean.len(), eigen.U());
        let factor = Mat::from_fn(side, side, |row, column| vectors[(row, column)] * roots[column]);
        Ok(Spread { gaussian: self, factor })
    }

    fn trace(&self) -> f64 {
        self.covariance.diagonal().column_vector().iter().sum()
    }
}

/// A Gaussian with its covariance factored.
#[derive(Debug)]
pub struct Spread<'a> {
    gaussian: &'a Gaussian,
    factor: Mat<f64>,
}

impl Spread<'_> {
    /// The squared distance to another Gaussian, at least 0 but for rounding.
    ///
    /// # Errors
    /// [`MetricError::Dimensions`] and [`MetricError::Eigenvalues`].
    pub fn distance(&self, other: &Gaussian) -> Result<f64, MetricError> {
        let own = self.gaussian;
        if own.mean.len() != other.mean.len() {
            return Err(MetricError::Dimensions { left: own.mean.len(), right: other.mean.len() });
        }
        let apart: f64 = own.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum();
        let half = product(other.covariance.as_ref(), self.factor.as_ref());
        let between = inner(self.factor.as_ref(), half.as_ref());
        let eigenvalues = solved(&between, |of| of.self_adjoint_eigenvalues(Side::Lower).ok())?;
        let shared: f64 = roots(&eigenvalues).iter().sum();
        Ok(apart + own.trace() + other.trace() - 2.0 * shared)
    }
}

/// What is added to the diagonal, in parts of its mean, one try after the other.
const NUDGES: [f64; 3] = [1e-14, 1e-12, 1e-10];

/// Solves for eigenvalues. Where a covariance is of far fewer rows than features, nearly all of them
/// are the same, 0, and the solver may not come to an end; told apart by next to nothing it does.
fn solved<T>(matrix: &Mat<f64>, solve: impl Fn(&Mat<f64>) -> Option<T>) -> Result<T, MetricError> {
    let side = matrix.nrows();
    let mean = matrix.diagonal().column_vector().iter().sum::<f64>() / side.max(1) as f64;
    let nudged = |nudge: f64| {
        let mut nudged = matrix.clone();
        for at in 0..side {
            nudged[(at, at)] += nudge * mean * (1.0 + at as f64 / side as f64);
        }
        nudged
    };
    let again = || NUDGES.into_iter().find_map(|nudge| solve(&nudged(nudge)));
    solve(matrix).or_else(again).ok_or(MetricError::Eigenvalues)
}

/// Roots of eigenvalues. Those that rounding may have made are 0: a root would turn a thousand times
/// next to nothing into something.
fn roots(eigenvalues: &[f64]) -> Vec<f64> {
    let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
    let least = largest * f64::EPSILON * eigenvalues.len() as f64;
    eigenvalues.iter().map(|&value| if value > least { value.sqrt() } else { 0.0 }).collect()
}

/// The squared Fréchet distance of two Gaussians, at least 0 but for rounding.
///
/// # Errors
/// [`MetricError::Dimensions`] and [`MetricError::Eigenvalues`].
pub fn frechet_distance(left: &Gaussian, right: &Gaussian) -> Result<f64, MetricError> {
    left.spread()?.distance(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Features, Moments};

    #[test]
    fn of_diagonals_it_is_what_can_be_worked_out_by_hand() {
        let left = Gaussian::new(9, vec![0.0, 1.0], &[4.0, 0.0, 0.0, 9.0]).unwrap();
        let right = Gaussian::new(9, vec![3.0, 1.0], &[1.0, 0.0, 0.0, 16.0]).unwrap();
        // 3² + (2 − 1)² + (3 − 4)²
        let found = frechet_distance(&left, &right).unwrap();
        assert!((found - 11.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn singular_covariances_have_a_distance() {
        // Three rows of eight numbers: rank two.
        let rows = |seed: u32| (0..24u32).map(move |i| ((i + seed) * 37 % 101) as f32).collect();
        let of = |seed| Moments::of(&Features::from_rows(8, rows(seed)).unwrap()).unwrap();
        let (left, right) = (of(0), of(5));
        let same = frechet_distance(&left, &left).unwrap();
        assert!(same.abs() < 1e-6 * left.trace(), "{same}");
        let there = frechet_distance(&left, &right).unwrap();
        let back = frechet_distance(&right, &left).unwrap();
        assert!(there > 0.0 && (there - back).abs() < 1e-6 * there, "{there} {back}");
        let none = Gaussian::new(9, vec![0.0; 8], &[0.0; 64]).unwrap();
        assert!(frechet_distance(&none, &left).unwrap() > 0.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let two = Gaussian::new(9, vec![0.0; 2], &[1.0, 0.0, 0.0, 1.0]).unwrap();
        let one = Gaussian::new(9, vec![0.0], &[1.0]).unwrap();
        assert!(matches!(frechet_distance(&two, &one), Err(MetricError::Dimensions { .. })));
        assert!(Gaussian::new(9, vec![0.0; 2], &[1.0; 3]).is_err());
        assert!(Gaussian::new(9, vec![f64::NAN], &[1.0]).is_err());
    }
}
