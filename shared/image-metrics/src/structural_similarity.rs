//! The structural similarity index (Wang, Bovik, Sheikh and Simoncelli 2004, IEEE TIP 13(4)):
//!
//! > SSIM = mean of (2 μx μy + C₁)(2 σxy + C₂) / ((μx² + μy² + C₁)(σx² + σy² + C₂))
//!
//! with C₁ = (0.01 L)², C₂ = (0.03 L)² and the range L = 255. Means, variances and covariance are
//! weighted by a Gaussian of σ = 1.5, cut off at 3.5 σ: a window of 11 pixels a side; variances are
//! those of the population. Only places whose window lies inside the image count; the index is the
//! mean over them, then over the channels. That is what scikit-image calculates with
//! `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1, data_range=255`.

use crate::{MetricError, Picture};

/// Side of the window in pixels: the least side of an image.
pub const WINDOW: usize = 11;
const RADIUS: usize = WINDOW / 2;
const SIGMA: f64 = 1.5;
const RANGE: f64 = 255.0;
const C1: f64 = (0.01 * RANGE) * (0.01 * RANGE);
const C2: f64 = (0.03 * RANGE) * (0.03 * RANGE);
/// What is averaged in a window: x, y, x² + y² and x y. Variances are only needed as a sum.
const AVERAGES: usize = 4;

/// The structural similarity of two images of one size, −1 to 1; 1 only of equal images.
///
/// # Errors
/// [`MetricError::Sizes`], and [`MetricError::TooSmall`] below [`WINDOW`] pixels a side.
pub fn structural_similarity(left: Picture, right: Picture) -> Result<f64, MetricError> {
    left.same_size(&right)?;
    let (width, height) = left.size();
    if width.min(height) < WINDOW {
        return Err(MetricError::TooSmall { width, height, window: WINDOW });
    }
    // Channels are not told apart: a sample's neighbours are those three places away.
    let weights = weights();
    let across = 3 * (width + 1 - WINDOW);
    let mut averaged = vec![0.0; AVERAGES * across * WINDOW];
    let mut row = vec![0.0; AVERAGES * 3 * width];
    let mut sums = vec![0.0; AVERAGES * across];
    let mut total = 0.0;
    for y in 0..height {
        products(left, right, y, &mut row);
        // The last eleven rows, averaged across, are kept in a ring.
        let slot = (y % WINDOW) * AVERAGES * across;
        let target = &mut averaged[slot..slot + AVERAGES * across];
        for (from, to) in row.chunks_exact(3 * width).zip(target.chunks_exact_mut(across)) {
            average_across(from, &weights, to);
        }
        if y + 1 >= WINDOW {
            average_down(&averaged, &weights, y + 1 - WINDOW, &mut sums);
            total += similarities(&sums, across);
        }
    }
    Ok(total / (across * (height + 1 - WINDOW)) as f64)
}

/// The middle weight first, then those to either side.
fn weights() -> [f64; RADIUS + 1] {
    let mut weights = [0.0; RADIUS + 1];
    for (weight, distance) in weights.iter_mut().zip(0u32..) {
        *weight = (-0.5 * (f64::from(distance) / SIGMA).powi(2)).exp();
    }
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.map(|weight| weight / sum)
}

/// x, y, x² + y² and x y of a row of samples, one after the other.
fn products(left: Picture<'_>, right: Picture<'_>, y: usize, row: &mut [f64]) {
    let length = row.len() / AVERAGES;
    let here = y * length..(y + 1) * length;
    let (left, right) = (&left.samples()[here.clone()], &right.samples()[here]);
    let (first, rest) = row.split_at_mut(length);
    let (second, rest) = rest.split_at_mut(length);
    let (squares, crossed) = rest.split_at_mut(length);
    let samples = left.iter().zip(right);
    let targets = first.iter_mut().zip(second).zip(squares).zip(crossed);
    for ((&a, &b), (((x, y), square), cross)) in samples.zip(targets) {
        let (a, b) = (f64::from(a), f64::from(b));
        (*x, *y, *square, *cross) = (a, b, a * a + b * b, a * b);
    }
}

fn average_across(from: &[f64], weights: &[f64; RADIUS + 1], to: &mut [f64]) {
    let count = to.len();
    let at = |place: usize| &from[3 * place..3 * place + count];
    for (to, middle) in to.iter_mut().zip(at(RADIUS)) {
        *to = weights[0] * middle;
    }
    for (distance, weight) in weights.iter().enumerate().skip(1) {
        let sides = at(RADIUS - distance).iter().zip(at(RADIUS + distance));
        for (to, (before, after)) in to.iter_mut().zip(sides) {
            *to += weight * (before + after);
        }
    }
}

/// The weighted mean of the ring's rows, of which `first` is the uppermost of the window.
fn average_down(ring: &[f64], weights: &[f64; RADIUS + 1], first: usize, to: &mut [f64]) {
    let count = to.len();
    let row = |place: usize| {
        let slot = ((first + place) % WINDOW) * count;
        &ring[slot..slot + count]
    };
    for (to, middle) in to.iter_mut().zip(row(RADIUS)) {
        *to = weights[0] * middle;
    }
    for (distance, weight) in weights.iter().enumerate().skip(1) {
        let sides = row(RADIUS - distance).iter().zip(row(RADIUS + distance));
        for (to, (above, below)) in to.iter_mut().zip(sides) {
            *to += weight * (above + below);
        }
    }
}

/// The sum of a row's indices.
fn similarities(means: &[f64], across: usize) -> f64 {
    let (x, rest) = means.split_at(across);
    let (y, rest) = rest.split_at(across);
    let (squares, crossed) = rest.split_at(across);
    let places = x.iter().zip(y).zip(squares.iter().zip(crossed));
    places
        .map(|((x, y), (square, cross))| {
            let (both, apart) = (x * y, x * x + y * y);
            let like = (2.0 * both + C1) * (2.0 * (cross - both) + C2);
            like / ((apart + C1) * (square - apart + C2))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_images_are_alike_even_when_black() {
        let noise: Vec<u8> = (0..20 * 15 * 3u32).map(|i| (i * i * 7 % 251) as u8).collect();
        for samples in [&noise[..], &[0; 900]] {
            let picture = Picture::new(20, 15, samples).unwrap();
            let found = structural_similarity(picture, picture).unwrap();
            assert!((found - 1.0).abs() < 1e-12, "{found}");
        }
    }

    #[test]
    fn black_and_white_are_as_unlike_as_the_constants_say() {
        let (black, white) = ([0; 507], [255; 507]);
        let (black, white) =
            (Picture::new(13, 13, &black).unwrap(), Picture::new(13, 13, &white).unwrap());
        let found = structural_similarity(black, white).unwrap();
        assert!((found - C1 / (RANGE * RANGE + C1)).abs() < 1e-9, "{found}");
    }

    #[test]
    fn an_image_must_hold_the_window() {
        let samples = [0; 330];
        let picture = Picture::new(11, 10, &samples).unwrap();
        let small = MetricError::TooSmall { width: 11, height: 10, window: 11 };
        assert_eq!(structural_similarity(picture, picture), Err(small));
    }
}
