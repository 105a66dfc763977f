use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Crops the largest centred square and resizes it to `side` x `side` pixels.
///
/// The filter is bilinear with a support that grows with the reduction (as Pillow's is), so that
/// shrinking averages instead of skipping pixels. The crop lies on whole pixels and the arithmetic
/// is in integers: the same image gives the same bytes on every processor.
///
/// An image without pixels gives black ones; [`decode`](crate::decode) never returns such.
pub fn square(image: &RgbImage, side: u32) -> RgbImage {
    resized(image, side).unwrap_or_else(|| RgbImage::new(side, side))
}

/// `None` only if one of the images has no pixels: buffer lengths and pixel types agree by
/// construction.
fn resized(image: &RgbImage, side: u32) -> Option<RgbImage> {
    let (width, height) = image.dimensions();
    let edge = width.min(height);
    if edge == 0 || side == 0 {
        return None;
    }
    let whole = ImageRef::new(width, height, image.as_raw(), PixelType::U8x3).ok()?;
    // A view, not the resizer's own crop: that lets the filter reach across the crop's edge.
    let source =
        CroppedImage::new(&whole, (width - edge) / 2, (height - edge) / 2, edge, edge).ok()?;
    let mut target = Image::new(side, side, PixelType::U8x3);
    let bilinear = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &bilinear).ok()?;
    RgbImage::from_raw(side, side, target.into_vec())
}
