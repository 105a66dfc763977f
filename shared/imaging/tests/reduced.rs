//! JPEGs that are scaled while they are decoded.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use agespan_imaging::{Detail, Limits, Photo, RgbImage, decode, decode_reduced, encode_png, fit};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageEncoder, Rgb};

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
    })
}

fn jpeg(image: impl Into<DynamicImage>, orientation: Option<u8>) -> Vec<u8> {
    let image = image.into();
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    if let Some(orientation) = orientation {
        let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        encoder.set_exif_metadata(tiff).unwrap();
    }
    let (width, height) = (image.width(), image.height());
    encoder.write_image(image.as_bytes(), width, height, image.color().into()).unwrap();
    bytes
}

fn read(bytes: &[u8], detail: Detail) -> Photo {
    decode_reduced(bytes, &Limits::default(), detail).unwrap()
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let total: u32 = a.iter().zip(b.iter()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    f64::from(total) / a.len() as f64
}

#[test]
fn no_more_is_left_out_than_may_be() {
    // 17 pixels more than whole blocks, so that the last ones are not full.
    let bytes = jpeg(gradient(1041, 529), None);
    for (detail, reduction) in [
        (Detail::Full, 1),
        (Detail::LongerSide(521), 1),
        (Detail::LongerSide(520), 2),
        (Detail::LongerSide(260), 4),
        (Detail::LongerSide(1), 8),
        (Detail::ShorterSide(132), 4),
        (Detail::ShorterSide(0), 8),
        (Detail::OneOf(3), 2),
        (Detail::OneOf(0), 1),
    ] {
        let photo = read(&bytes, detail);
        assert_eq!((photo.width, photo.height, photo.reduction), (1041, 529, reduction));
        let sides = (1041u32.div_ceil(reduction), 529u32.div_ceil(reduction));
        assert_eq!(photo.image.dimensions(), sides, "{detail:?}");
    }
}

#[test]
fn a_scaled_picture_is_the_picture() {
    let picture = gradient(640, 400);
    for (bytes, name) in [
        (jpeg(picture.clone(), None), "colour"),
        (jpeg(DynamicImage::from(picture.clone()).into_luma8(), None), "gray"),
    ] {
        for reduction in [2, 4, 8] {
            let photo = read(&bytes, Detail::OneOf(reduction));
            assert_eq!(photo.reduction, reduction);
            let whole = decode(&bytes, &Limits::default()).unwrap();
            let small = fit(&whole, 640 / reduction);
            let difference = mean_difference(&photo.image, &small);
            assert!(difference < 2.0, "{name} 1/{reduction}: {difference}");
        }
    }
}

#[test]
fn photos_that_are_small_enough_come_pixel_by_pixel_as_they_are() {
    let bytes = jpeg(gradient(200, 200), Some(6));
    let whole = decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(read(&bytes, Detail::ShorterSide(101)).image, whole);
    assert_ne!(read(&bytes, Detail::ShorterSide(100)).image.dimensions(), whole.dimensions());
}

#[test]
fn what_cannot_be_scaled_comes_whole() {
    let cmyk = include_bytes!("data/cmyk.jpg");
    let photo = read(cmyk, Detail::OneOf(2));
    assert_eq!((photo.reduction, photo.image.dimensions()), (1, (48, 32)));
    assert_eq!(photo.image, decode(cmyk, &Limits::default()).unwrap());
    let png = encode_png(&gradient(64, 64)).unwrap();
    assert_eq!(read(&png, Detail::OneOf(8)).image, gradient(64, 64));
    let webp = include_bytes!("data/lossy.webp");
    assert_eq!(read(webp, Detail::OneOf(8)).reduction, 1);
}

#[test]
fn progressive_and_restarted_files_are_scaled_too() {
    let files: [&[u8]; 3] = [
        include_bytes!("data/progressive.jpg"),
        include_bytes!("data/restart.jpg"),
        include_bytes!("data/thumbnail.jpg"),
    ];
    for bytes in files {
        let photo = read(bytes, Detail::OneOf(2));
        assert_eq!((photo.reduction, photo.image.dimensions()), (2, (24, 16)));
        let whole = decode(bytes, &Limits::default()).unwrap();
        assert!(mean_difference(&photo.image, &fit(&whole, 24)) < 4.0);
    }
}

#[test]
fn every_orientation_of_a_scaled_photo_is_turned_upright() {
    let mut corner = RgbImage::new(192, 128);
    for (x, y) in (0..96).flat_map(|x| (0..32).map(move |y| (x, y))) {
        corner.put_pixel(x, y, Rgb([255; 3]));
    }
    for orientation in 1..=8 {
        let bytes = jpeg(corner.clone(), Some(orientation));
        let whole = decode(&bytes, &Limits::default()).unwrap();
        let photo = read(&bytes, Detail::OneOf(4));
        assert_eq!((photo.width, photo.height), whole.dimensions(), "orientation {orientation}");
        let small = fit(&whole, 48);
        let difference = mean_difference(&photo.image, &small);
        assert!(difference < 3.0, "orientation {orientation}: {difference}");
    }
}

#[test]
fn bad_files_are_refused_as_when_they_are_read_whole() {
    let whole = jpeg(gradient(160, 96), Some(6));
    let mut bomb = whole.clone();
    let frame = bomb.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    let limits = Limits::default();
    let refusal = |bytes: &[u8]| {
        let reduced = decode_reduced(bytes, &limits, Detail::OneOf(8)).unwrap_err();
        assert_eq!(reduced, decode(bytes, &limits).unwrap_err());
        reduced.reason()
    };
    assert_eq!(refusal(&bomb), "DIMENSIONS");
    assert_eq!(refusal(&whole[..whole.len() / 2]), "TRUNCATED");
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 0xFF;
        // Either outcome will do; a panic would end the test.
        let _ = decode_reduced(&broken, &limits, Detail::OneOf(8));
    }
}
