//! What comes in from strangers, good and bad.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Cursor;

use agespan_imaging::{ImagingError, Limits, RgbImage, decode, encode_png};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Luma, LumaA, Rgba};

fn gradient() -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| image::Rgb([x as u8 * 5, y as u8 * 7, 128]))
}

fn jpeg(image: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    let (width, height) = image.dimensions();
    encoder.write_image(image, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn written(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn ok(bytes: &[u8]) -> RgbImage {
    decode(bytes, &Limits::default()).unwrap()
}

fn refusal(bytes: &[u8]) -> ImagingError {
    decode(bytes, &Limits::default()).unwrap_err()
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let total: u32 = a.iter().zip(b.iter()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    f64::from(total) / a.len() as f64
}

#[test]
fn lossless_formats_come_back_exactly() {
    let png = encode_png(&gradient()).unwrap();
    assert_eq!(ok(&png), gradient());
    assert_eq!(ok(&written(gradient(), ImageFormat::WebP)), gradient());
}

#[test]
fn lossy_formats_come_back_nearly() {
    let files: [(&str, &[u8], f64); 5] = [
        ("progressive", include_bytes!("data/progressive.jpg"), 3.0),
        ("restart", include_bytes!("data/restart.jpg"), 3.0),
        ("thumbnail", include_bytes!("data/thumbnail.jpg"), 3.0),
        ("cmyk", include_bytes!("data/cmyk.jpg"), 6.0),
        ("webp", include_bytes!("data/lossy.webp"), 6.0),
    ];
    for (name, bytes, tolerance) in files {
        let difference = mean_difference(&ok(bytes), &gradient());
        assert!(difference < tolerance, "{name}: {difference}");
    }
    assert!(mean_difference(&ok(&jpeg(&gradient(), None)), &gradient()) < 3.0);
}

#[test]
fn gray_and_sixteen_bits_become_rgb8() {
    let gray = image::GrayImage::from_fn(20, 20, |x, _| Luma([x as u8 * 10]));
    assert_eq!(ok(&written(gray, ImageFormat::Png))[(7, 3)].0, [70, 70, 70]);
    let deep = image::ImageBuffer::from_fn(20, 20, |x, _| Luma([x as u16 * 2570]));
    let deep = written(DynamicImage::ImageLuma16(deep), ImageFormat::Png);
    assert_eq!(ok(&deep)[(7, 3)].0, [70, 70, 70]);
}

#[test]
fn transparency_is_white() {
    let rgba = image::RgbaImage::from_fn(20, 20, |x, _| {
        Rgba([10, 20, 30, [0, 128, 255][(x % 3) as usize]])
    });
    let rgb = ok(&written(rgba, ImageFormat::Png));
    assert_eq!(rgb[(0, 0)].0, [255, 255, 255]);
    assert_eq!(rgb[(1, 0)].0, [132, 137, 142]);
    assert_eq!(rgb[(2, 0)].0, [10, 20, 30]);
    let gray = image::GrayAlphaImage::from_pixel(20, 20, LumaA([0, 0]));
    let rgb = ok(&written(gray, ImageFormat::Png));
    assert_eq!(rgb[(0, 0)].0, [255, 255, 255]);
}

/// A TIFF directory with the one entry that says how the camera was held.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    tiff
}

#[test]
fn every_exif_orientation_is_turned_upright() {
    // A white corner on black: where it ends up tells the eight orientations apart, together
    // with the shape.
    let mut corner = RgbImage::new(48, 32);
    for (x, y) in (0..24).flat_map(|x| (0..8).map(move |y| (x, y))) {
        corner.put_pixel(x, y, image::Rgb([255; 3]));
    }
    let expected = [
        (1, (48, 32), (2, 2)),
        (2, (48, 32), (45, 2)),
        (3, (48, 32), (45, 29)),
        (4, (48, 32), (2, 29)),
        (5, (32, 48), (2, 2)),
        (6, (32, 48), (29, 2)),
        (7, (32, 48), (29, 45)),
        (8, (32, 48), (2, 45)),
    ];
    for (orientation, shape, (x, y)) in expected {
        let image = ok(&jpeg(&corner, Some(exif(orientation))));
        assert_eq!(image.dimensions(), shape, "orientation {orientation}");
        assert!(image[(x, y)].0[0] > 200, "orientation {orientation}");
        let opposite = (shape.0 - 1 - x, shape.1 - 1 - y);
        assert!(image[opposite].0[0] < 50, "orientation {orientation}");
    }
    // Nonsense in the tag is no reason to refuse the picture.
    assert_eq!(ok(&jpeg(&corner, Some(exif(77)))).dimensions(), corner.dimensions());
}

/// A PNG whose header promises `width` x `height` RGBA pixels and whose body holds next to none.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = encode_png(&gradient()).unwrap();
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    png[25] = 6;
    let sum = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    png
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    let error = refusal(&png_bomb(50_000, 50_000));
    assert!(
        matches!(error, ImagingError::Dimensions { width: 50_000, height: 50_000, .. }),
        "{error}"
    );
    assert_eq!(error.reason(), "DIMENSIONS");
    // Within the sides, beyond the area.
    assert_eq!(refusal(&png_bomb(16_000, 16_000)).reason(), "DIMENSIONS");
    // So wide that even one row is too much.
    let wide = refusal(&png_bomb(i32::MAX as u32, i32::MAX as u32));
    assert!(["DIMENSIONS", "CORRUPT"].contains(&wide.reason()), "{wide}");
}

#[test]
fn a_jpeg_and_a_webp_bomb_are_refused_by_their_headers() {
    let mut bytes = jpeg(&gradient(), None);
    let frame = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    assert_eq!(refusal(&bytes).reason(), "DIMENSIONS");

    let mut bytes = written(gradient(), ImageFormat::WebP);
    let header = bytes.windows(4).position(|w| w == b"VP8L").unwrap();
    let sides: u32 = 0x3FFE | 0x3FFE << 14; // each one less than 16383
    bytes[header + 9..header + 13].copy_from_slice(&sides.to_le_bytes());
    assert_eq!(refusal(&bytes).reason(), "DIMENSIONS");
}

#[test]
fn too_small_too_long_and_no_image() {
    let dot = encode_png(&RgbImage::new(1, 1)).unwrap();
    assert_eq!(refusal(&dot), ImagingError::TooSmall { width: 1, height: 1, min_side: 16 });
    assert_eq!(refusal(b""), ImagingError::Empty);
    assert_eq!(refusal(b"dear sir or madam"), ImagingError::UnknownFormat);
    assert_eq!(refusal(b"GIF89a\x30\0\x20\0"), ImagingError::UnknownFormat);
    let limits = Limits { max_bytes: 10, ..Limits::default() };
    let error = decode(&dot, &limits).unwrap_err();
    assert_eq!(error, ImagingError::TooLarge { bytes: dot.len(), limit: 10 });
}

#[test]
fn sixteen_bit_samples_count_double() {
    let deep = image::ImageBuffer::<Rgba<u16>, _>::new(20, 20);
    let deep = written(DynamicImage::ImageRgba16(deep), ImageFormat::Png);
    let limits = |max_pixels| Limits { max_pixels, ..Limits::default() };
    assert_eq!(decode(&deep, &limits(799)).unwrap_err().reason(), "DIMENSIONS");
    assert!(decode(&deep, &limits(800)).is_ok());
}

#[test]
fn a_cut_file_is_refused_or_lost_nothing() {
    let files: [(&str, Vec<u8>); 7] = [
        ("jpeg", jpeg(&gradient(), Some(exif(1)))),
        ("progressive", include_bytes!("data/progressive.jpg").to_vec()),
        ("restart", include_bytes!("data/restart.jpg").to_vec()),
        ("thumbnail", include_bytes!("data/thumbnail.jpg").to_vec()),
        ("png", encode_png(&gradient()).unwrap()),
        ("webp", written(gradient(), ImageFormat::WebP)),
        ("lossy webp", include_bytes!("data/lossy.webp").to_vec()),
    ];
    for (name, bytes) in files {
        let whole = ok(&bytes);
        for length in 0..bytes.len() {
            match decode(&bytes[..length], &Limits::default()) {
                Ok(image) => {
                    // PNG alone may lose its closing chunk and still hold every pixel.
                    assert_eq!(name, "png", "{length} of {} bytes", bytes.len());
                    assert_eq!(image, whole);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn a_truncated_jpeg_is_called_truncated() {
    let bytes = jpeg(&gradient(), None);
    assert_eq!(refusal(&bytes[..bytes.len() / 2 + 200]), ImagingError::Truncated);
}

#[test]
fn bytes_after_the_image_are_ignored() {
    let mut bytes = jpeg(&gradient(), None);
    let alone = ok(&bytes);
    bytes.extend(b"a phone's own notes");
    assert_eq!(ok(&bytes), alone);
}

#[test]
fn flipped_bytes_never_panic() {
    let files = [
        jpeg(&gradient(), Some(exif(6))),
        include_bytes!("data/progressive.jpg").to_vec(),
        include_bytes!("data/lossy.webp").to_vec(),
        encode_png(&gradient()).unwrap(),
        written(gradient(), ImageFormat::WebP),
    ];
    for bytes in files {
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0xFF;
            // Either outcome will do; a panic would end the test.
            let _ = decode(&broken, &Limits::default());
        }
    }
}
