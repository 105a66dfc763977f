//! Resizing to numbers that are not rounded, for comparisons with figures from elsewhere.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// The whole image at `side` x `side` pixels, as samples of 0 to 255 that are not rounded: red,
/// green, blue, pixel by pixel. An image that is not square is stretched.
///
/// The filter is bicubic (a = −0.5) with a support that grows with the reduction, as Pillow's is on
/// an image of mode F; what it overshoots is cut off. That is how clean-fid resizes (Parmar, Zhang and
/// Zhu 2022, arXiv 2104.11222). An image or a side without pixels gives no samples.
pub fn bicubic_unrounded(image: &RgbImage, side: u32) -> Vec<f32> {
    if image.width() == 0 || image.height() == 0 || side == 0 {
        return Vec::new();
    }
    // Its own buffer, which lies as floats must.
    let mut source = Image::new(image.width(), image.height(), PixelType::F32x3);
    for (to, &from) in source.buffer_mut().chunks_exact_mut(4).zip(image.as_raw()) {
        to.copy_from_slice(&f32::from(from).to_ne_bytes());
    }
    let mut target = Image::new(side, side, PixelType::F32x3);
    // Catmull and Rom's spline is the cubic with a = −0.5.
    let cubic = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    if Resizer::new().resize(&source, &mut target, &cubic).is_err() {
        return Vec::new();
    }
    let sample = |bytes: &[u8]| f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    target.buffer().chunks_exact(4).map(|bytes| sample(bytes).clamp(0.0, 255.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_flat_stays_flat_and_nothing_leaves_the_range() {
        let flat = bicubic_unrounded(&RgbImage::from_pixel(7, 30, image::Rgb([9, 100, 255])), 20);
        assert_eq!(flat.len(), 20 * 20 * 3);
        for pixel in flat.chunks_exact(3) {
            let near = pixel.iter().zip([9.0, 100.0, 255.0]).all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(near, "{pixel:?}");
        }
        let edge = RgbImage::from_fn(8, 8, |x, _| image::Rgb([if x < 4 { 0 } else { 255 }; 3]));
        assert!(bicubic_unrounded(&edge, 31).iter().all(|sample| (0.0..=255.0).contains(sample)));
        assert!(bicubic_unrounded(&RgbImage::new(0, 3), 4).is_empty());
    }
}
