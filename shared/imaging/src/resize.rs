//! The one resizer.

use std::borrow::Cow;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A part of an image at another size.
///
/// The filter is bilinear with a support that grows with the reduction (as Pillow's is), so that
/// shrinking averages instead of skipping pixels. The arithmetic is in integers: the same image
/// gives the same bytes on every processor. `None` only if a size is zero or the part is not within
/// the image.
pub(crate) fn resized(image: &RgbImage, part: Part, width: u32, height: u32) -> Option<RgbImage> {
    if [part.width, part.height, width, height].contains(&0) {
        return None;
    }
    let whole =
        ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3).ok()?;
    // A view, not the resizer's own crop: that lets the filter reach across the crop's edge.
    let source = CroppedImage::new(&whole, part.left, part.top, part.width, part.height).ok()?;
    let mut target = Image::new(width, height, PixelType::U8x3);
    let bilinear = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &bilinear).ok()?;
    RgbImage::from_raw(width, height, target.into_vec())
}

/// The image with a longer side of at most `longest` pixels; as it is, where it is no larger.
pub fn fit(image: &RgbImage, longest: u32) -> Cow<'_, RgbImage> {
    let (width, height) = image.dimensions();
    let longer = width.max(height);
    if longer <= longest {
        return Cow::Borrowed(image);
    }
    // At most `longest`, so the cast loses nothing.
    let side = |side: u32| (u64::from(side) * u64::from(longest) / u64::from(longer)).max(1) as u32;
    let whole = Part { left: 0, top: 0, width, height };
    resized(image, whole, side(width), side(height)).map_or(Cow::Borrowed(image), Cow::Owned)
}
