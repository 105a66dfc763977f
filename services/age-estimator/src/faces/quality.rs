//! What makes an estimate doubtful: few pixels, little detail, a face that looks away.

use agespan_imaging::{Point, RgbImage, square};

// The thresholds are where errors on UTKFace begin to grow: 120 chips of the validation split,
// shrunk or blurred more and more, whose mean error is 4.8 years as they are. What makes them worse
// than their width says is that such faces look younger than they are. `examples/faces.py` measures
// it.

/// A face of fewer pixels on its shorter side is too small: the mean error is 4.9 years from 24
/// pixels on, 6.4 below, where the truth is 3.3 years above the estimate.
const SMALLEST: f64 = 24.0;
/// A face with less sharpness is blurred: the mean error is 5.5 years from 0.08 on, 8.5 below, where
/// the truth is 5.7 years above the estimate. Of chips that nobody blurred, less than one in twenty
/// lies below.
const SHARPEST: f64 = 0.08;
/// A face whose nose is further from the middle is in profile. No error grows up to there; of 499
/// chips two have more, so that beyond it the model has hardly seen a face.
const FURTHEST: f64 = 0.4;
/// Side of the square on which sharpness is measured, in pixels: about what the model sees.
const LOOKED_AT: u32 = 100;

/// Something that makes an estimate doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Issue {
    /// Too few pixels.
    TooSmall,
    /// Too little detail.
    Blurred,
    /// Seen too far from the side.
    Profile,
}

/// How good a picture of a face is.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// Shorter side of the face in pixels of the photo.
    pub size: f64,
    /// Standard deviation of the Laplacian over that of the brightness, on the aligned face.
    pub sharpness: f64,
    /// How far the nose is from the middle between the eyes, in distances of the eyes; positive to
    /// the right.
    pub yaw: f64,
    /// What is wrong.
    pub issues: Vec<Issue>,
}

impl Quality {
    /// Of a face of `size` pixels, by its landmarks and its chip.
    pub fn measure(size: f64, landmarks: &[Point; 5], chip: &RgbImage) -> Self {
        let (sharpness, yaw) = (sharpness(chip), yaw(landmarks));
        let issues = [
            (size < SMALLEST, Issue::TooSmall),
            (sharpness < SHARPEST, Issue::Blurred),
            (yaw.abs() > FURTHEST, Issue::Profile),
        ];
        let issues = issues.into_iter().filter_map(|(is, issue)| is.then_some(issue)).collect();
        Self { size, sharpness, yaw, issues }
    }

    /// For a message to a person.
    pub(crate) fn describe(&self) -> String {
        let word = |issue: &Issue| match issue {
            Issue::TooSmall => format!("too small ({:.0} pixels, from {SMALLEST} on)", self.size),
            Issue::Blurred => {
                format!("blurred (sharpness {:.3}, from {SHARPEST} on)", self.sharpness)
            }
            Issue::Profile => format!("in profile (yaw {:.2}, up to {FURTHEST})", self.yaw),
        };
        self.issues.iter().map(word).collect::<Vec<_>>().join(" and ")
    }
}

fn yaw([left, right, nose, ..]: &[Point; 5]) -> f64 {
    let eyes = [right[0] - left[0], right[1] - left[1]];
    let nose = [nose[0] - (left[0] + right[0]) / 2.0, nose[1] - (left[1] + right[1]) / 2.0];
    // In double precision only eyes in one point divide by zero: then it is no face from the front.
    let yaw = (nose[0] * eyes[0] + nose[1] * eyes[1]) / (eyes[0] * eyes[0] + eyes[1] * eyes[1]);
    if yaw.is_finite() { yaw } else { 1.0 }
}

fn sharpness(chip: &RgbImage) -> f64 {
    let picture = square(chip, LOOKED_AT);
    let side = LOOKED_AT as usize;
    let brightness: Vec<f64> = picture
        .pixels()
        .map(|pixel| {
            let [r, g, b] = pixel.0.map(f64::from);
            0.299 * r + 0.587 * g + 0.114 * b
        })
        .collect();
    let at = |x: usize, y: usize| brightness[y * side + x];
    let inner = (1..side - 1).flat_map(|y| (1..side - 1).map(move |x| (x, y)));
    let laplacian: Vec<f64> = inner
        .map(|(x, y)| at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y))
        .collect();
    // An evenly coloured picture has neither.
    deviation(&laplacian) / deviation(&brightness).max(1.0)
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(nose: f64) -> [Point; 5] {
        [[60.0, 58.0], [140.0, 58.0], [nose, 105.0], [64.0, 139.0], [136.0, 139.0]]
    }

    /// Stripes `width` pixels wide, between two brightnesses.
    fn stripes(width: u32, dark: u8, bright: u8) -> RgbImage {
        RgbImage::from_fn(200, 200, |x, _| {
            let brightness = if (x / width).is_multiple_of(2) { dark } else { bright };
            [brightness; 3].into()
        })
    }

    #[test]
    fn yaw_follows_the_nose_and_not_the_tilt_of_the_head() {
        assert!(yaw(&face(100.0)).abs() < 1e-12);
        assert!((yaw(&face(140.0)) - 0.5).abs() < 1e-12);
        assert!((yaw(&face(80.0)) + 0.25).abs() < 1e-12);
        // A quarter turn, and another size.
        let turned = face(140.0).map(|[x, y]| [-2.0 * y, 2.0 * x]);
        assert!((yaw(&turned) - 0.5).abs() < 1e-12);
        assert_eq!(yaw(&[[7.0, 7.0]; 5]), 1.0);
    }

    #[test]
    fn sharpness_is_of_detail_and_not_of_contrast() {
        let fine = sharpness(&stripes(4, 20, 220));
        assert!(fine > 2.0 * sharpness(&stripes(25, 20, 220)));
        assert!((sharpness(&stripes(4, 100, 140)) / fine - 1.0).abs() < 0.1);
        assert_eq!(sharpness(&stripes(4, 99, 99)), 0.0);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_numbers() {
        let good = Quality::measure(150.0, &face(104.0), &stripes(4, 20, 220));
        assert!(good.issues.is_empty());
        let bad = Quality::measure(12.0, &face(150.0), &stripes(4, 99, 99));
        assert_eq!(bad.issues, [Issue::TooSmall, Issue::Blurred, Issue::Profile]);
        let words = bad.describe();
        assert!(words.contains("12 pixels") && words.contains("yaw 0.62"), "{words}");
    }
}
