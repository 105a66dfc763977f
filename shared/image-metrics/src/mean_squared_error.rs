//! The mean squared error over all pixels and channels, of samples on a scale of 0 to 1:
//!
//! > MSE = 1/n · Σ (a − b)²

use crate::{MetricError, Picture};

/// The mean squared error of two images of one size, 0 to 1. The sum is exact.
///
/// # Errors
/// [`MetricError::Sizes`].
pub fn mean_squared_error(left: Picture, right: Picture) -> Result<f64, MetricError> {
    left.same_size(&right)?;
    // A row of samples at a time, whose sum fits 32 bits: that is what vector units add up.
    let sum: u64 = left
        .samples()
        .chunks(4096)
        .zip(right.samples().chunks(4096))
        .map(|(left, right)| u64::from(squares(left, right)))
        .sum();
    Ok(sum as f64 / (left.samples().len() as f64 * 255.0 * 255.0))
}

/// Wrapping, which never happens with so few, because checks would keep it from vector units; and by
/// 16 bits, which those multiply and add in one step.
fn squares(left: &[u8], right: &[u8]) -> u32 {
    left.iter().zip(right).fold(0, |sum: u32, (&a, &b)| {
        let difference = i32::from(i16::from(a).wrapping_sub(i16::from(b)));
        sum.wrapping_add(difference.wrapping_mul(difference).cast_unsigned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_white_differ_by_one() {
        let (black, white) = ([0; 30_000], [255; 30_000]);
        let (black, white) =
            (Picture::new(100, 100, &black).unwrap(), Picture::new(100, 100, &white).unwrap());
        assert_eq!(mean_squared_error(black, white), Ok(1.0));
        assert_eq!(mean_squared_error(black, black), Ok(0.0));
        let narrow = Picture::new(50, 200, black.samples()).unwrap();
        let sizes = MetricError::Sizes { left: (100, 100), right: (50, 200) };
        assert_eq!(mean_squared_error(black, narrow), Err(sizes));
    }
}
