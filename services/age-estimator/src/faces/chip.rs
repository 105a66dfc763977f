//! The geometry of the faces that the model learned from.

use agespan_imaging::{Photo, Point, RgbImage, Similarity};

/// Side of a UTKFace chip in pixels.
pub const SIDE: u32 = 200;

/// Where eyes, nose and mouth lie in a chip, in its pixels.
const LANDMARKS: [Point; 5] =
    [[58.0, 58.0], [142.0, 58.0], [100.0, 105.0], [65.0, 145.0], [135.0, 145.0]];

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
