//! Products of matrices, the one thing here that takes time.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use crate::Features;

/// All cores. Each number of a product is summed in one order whatever their count.
pub(crate) fn threads() -> Par {
    Par::rayon(0)
}

/// Some rows in double precision; a row is a column of the result, as that is how it lies in memory.
pub(crate) fn turned(features: &Features, rows: std::ops::Range<usize>) -> Mat<f64> {
    let columns = features.columns();
    Mat::from_fn(columns, rows.len(), |number, row| {
        f64::from(features.row(rows.start + row)[number])
    })
}

/// leftᵀ · right.
pub(crate) fn inner(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.ncols(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left.transpose(), right, 1.0, threads());
    product
}

/// left · right.
pub(crate) fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left, right, 1.0, threads());
    product
}
