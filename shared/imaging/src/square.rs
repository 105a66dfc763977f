use image::RgbImage;

use crate::resize::{Part, resized};

/// Crops the largest centred square and resizes it to `side` x `side` pixels.
///
/// The filter is bilinear with a support that grows with the reduction (as Pillow's is), so that
/// shrinking averages instead of skipping pixels. The crop lies on whole pixels and the arithmetic
/// is in integers: the same image gives the same bytes on every processor.
///
/// An image without pixels gives black ones; [`decode`](crate::decode) never returns such.
pub fn square(image: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let edge = width.min(height);
    let middle =
        Part { left: (width - edge) / 2, top: (height - edge) / 2, width: edge, height: edge };
    resized(image, middle, side, side).unwrap_or_else(|| RgbImage::new(side, side))
}
