//! FID∞ (Chong and Forsyth 2020, arXiv 1911.07023): what FID would be with images without end.
//!
//! A covariance of N images is too spread out by about 1/N, and FID with it: that of fewer images is
//! larger, however good they are. So it is calculated for several N, and the line
//!
//! > FID(N) = FID∞ + slope / N
//!
//! through them, by least squares, is followed to 1/N = 0. It is a line only where N is well above
//! the number of features; below it FID∞ leans on an assumption.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Features, MetricError, Moments, Spread};

/// Numbers of images at which the distance is measured, evenly from a quarter of all to all.
const POINTS: usize = 8;

/// Distances by number of images, and where they lead.
#[derive(Clone, Debug, PartialEq)]
pub struct Extrapolated {
    /// The distance at infinitely many images.
    pub value: f64,
    /// Rise of the line over 1/N.
    pub slope: f64,
    /// Numbers of images, and the distance of so many.
    pub points: Vec<(usize, f64)>,
}

/// FID∞ of candidates to a reference. Which images are in a smaller set is drawn by the seed.
///
/// # Errors
/// [`MetricError::TooFew`] below eight candidates; those of
/// [`frechet_distance`](crate::frechet_distance).
pub fn extrapolate(
    reference: &Spread<'_>,
    candidates: &Features,
    seed: u64,
) -> Result<Extrapolated, MetricError> {
    candidates.at_least(POINTS, "FID∞")?;
    let all = candidates.len();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut points = Vec::with_capacity(POINTS);
    for step in 0..POINTS {
        let count = all / 4 + (all - all / 4) * step / (POINTS - 1);
        let rows = crate::kernel_distance::draw(all, count, &mut random);
        let some = Moments::of(&candidates.select(&rows))?;
        points.push((count, reference.distance(&some)?));
    }
    let (value, slope) = line(points.iter().map(|&(count, value)| (1.0 / count as f64, value)));
    Ok(Extrapolated { value, slope, points })
}

/// Where the line of least squares begins, and its slope.
fn line(points: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    let count = points.clone().count() as f64;
    let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (across, along) = points.fold((0.0, 0.0), |(across, along), point| {
        (across + (point.0 - x) * (point.1 - y), along + (point.0 - x).powi(2))
    });
    let slope = if along > 0.0 { across / along } else { 0.0 };
    (y - slope * x, slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn noise(rows: usize, seed: u64) -> Features {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values = (0..rows * 16).map(|_| random.random_range(-1.0..1.0)).collect();
        Features::from_rows(16, values).unwrap()
    }

    #[test]
    fn what_too_few_images_add_is_taken_away() {
        let reference = Moments::of(&noise(20_000, 1)).unwrap();
        let reference = reference.spread().unwrap();
        let found = extrapolate(&reference, &noise(400, 2), 0).unwrap();
        let (fewest, all) = (found.points[0], found.points[7]);
        assert_eq!((fewest.0, all.0), (100, 400));
        assert!(fewest.1 > all.1 && all.1 > 0.02, "{found:?}");
        assert!(found.value.abs() < all.1 / 3.0, "{found:?}");
        assert_eq!(found, extrapolate(&reference, &noise(400, 2), 0).unwrap());
    }

    #[test]
    fn seven_images_are_too_few() {
        let reference = Moments::of(&noise(20, 1)).unwrap();
        let reference = reference.spread().unwrap();
        let few = MetricError::TooFew { metric: "FID∞", needed: 8, found: 7 };
        assert_eq!(extrapolate(&reference, &noise(7, 2), 0), Err(few));
        assert!(extrapolate(&reference, &noise(8, 2), 0).is_ok());
    }

    #[test]
    fn a_line_is_found() {
        let points = [1.0, 2.0, 4.0].map(|x| (x, 3.0 - 0.5 * x));
        let (begin, slope) = line(points.into_iter());
        assert!((begin - 3.0).abs() < 1e-12 && (slope + 0.5).abs() < 1e-12);
    }
}
