//! The identity of pixels and the network's input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use agespan_imaging::{Limits, RgbImage, decode, encode_png, pixel_hash, square};
use image::Rgb;

fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Rgb([(state >> 8) as u8, (state >> 16) as u8, (state >> 24) as u8])
    })
}

#[test]
fn the_hash_is_of_pixels_and_shape() {
    let image = noise(20, 30);
    let png = encode_png(&image).unwrap();
    let again = decode(&png, &Limits::default()).unwrap();
    assert_eq!(pixel_hash(&image), pixel_hash(&again));
    let turned = RgbImage::from_raw(30, 20, image.as_raw().clone()).unwrap();
    assert_ne!(pixel_hash(&image), pixel_hash(&turned));
    // Frozen: datasets are named by it.
    let hex: String = pixel_hash(&RgbImage::new(1, 2)).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "49db2fc04c98923041716383ea56517962898e0f385856b470b9b1bb12a9cdd7");
}

#[test]
fn the_square_is_centred() {
    let mut wide = RgbImage::from_pixel(100, 20, Rgb([255, 0, 0]));
    for (x, y) in (40..60).flat_map(|x| (0..20).map(move |y| (x, y))) {
        wide.put_pixel(x, y, Rgb([0, 0, 255]));
    }
    let blue = RgbImage::from_pixel(8, 8, Rgb([0, 0, 255]));
    assert_eq!(square(&wide, 8), blue);
    assert_eq!(square(&image::imageops::rotate90(&wide), 8), blue);
}

#[test]
fn a_square_of_the_same_size_is_the_image() {
    let image = noise(64, 64);
    assert_eq!(square(&image, 64), image);
}

#[test]
fn shrinking_averages() {
    // A one-pixel checkerboard must become grey, not black or white.
    let board = RgbImage::from_fn(256, 256, |x, y| Rgb([255 * ((x + y) % 2) as u8; 3]));
    for pixel in square(&board, 32).pixels() {
        assert!(pixel.0.iter().all(|c| (124..=131).contains(c)), "{pixel:?}");
    }
}

#[test]
fn every_processor_gives_the_same_bytes() {
    use fast_image_resize::images::{Image, ImageRef};
    use fast_image_resize::{
        CpuExtensions, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    };
    let image = noise(200, 200);
    let source = ImageRef::new(200, 200, image.as_raw(), PixelType::U8x3).unwrap();
    let mut target = Image::new(112, 112, PixelType::U8x3);
    let mut resizer = Resizer::new();
    // SAFETY: no extension is the one choice that every processor has.
    #[allow(unsafe_code)]
    unsafe {
        resizer.set_cpu_extensions(CpuExtensions::None);
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    resizer.resize(&source, &mut target, &options).unwrap();
    assert_eq!(square(&image, 112).as_raw(), target.buffer());
}

#[test]
fn nothing_in_nothing_out() {
    assert_eq!(square(&RgbImage::new(0, 5), 4), RgbImage::new(4, 4));
    assert_eq!(square(&noise(5, 5), 0).dimensions(), (0, 0));
    assert_eq!(encode_png(&RgbImage::new(0, 5)).unwrap_err().reason(), "ENCODE");
}
