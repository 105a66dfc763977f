//! The geometry of the faces that the model learned from.

use agespan_imaging::{Photo, Point, RgbImage, Similarity};

/// Side of a UTKFace chip in pixels.
pub const SIDE: u32 = 200;

/// Where eyes, nose and corners of the mouth lie in a chip, in its pixels.
///
/// They are the means over the 380 of 400 chips of the train split in which the detector finds a
/// face with a score above 0.99; the standard deviations are 3 to 7 pixels.
/// `examples/faces.py points` measures them.
const LANDMARKS: [Point; 5] =
    [[60.8, 58.4], [138.8, 58.3], [99.5, 105.3], [64.2, 139.9], [134.7, 139.8]];

/// The similarity that takes a face's landmarks to a chip's; none where they are one point.
pub fn place(landmarks: &[Point; 5]) -> Option<Similarity> {
    Similarity::between(landmarks, &LANDMARKS)
}

/// The face with these landmarks, in pixels of the whole photo, as a chip. It goes on beyond the
/// photo's edges with their pixels.
pub fn cut(photo: &Photo, landmarks: &[Point; 5]) -> Option<RgbImage> {
    let ratio = [
        f64::from(photo.image.width()) / f64::from(photo.width),
        f64::from(photo.image.height()) / f64::from(photo.height),
    ];
    let reduced =
        landmarks.map(|point| [0, 1].map(|axis: usize| (point[axis] + 0.5) * ratio[axis] - 0.5));
    Some(agespan_imaging::cut(&photo.image, &place(&reduced)?, SIDE))
}
