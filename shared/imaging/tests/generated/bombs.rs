//! Files that are small and would become large, or long.

use std::time::Instant;

use agespan_imaging::{Detail, Limits, decode, decode_reduced};
use image::ImageFormat;

use super::files::{
    animated_png, animated_webp, chunk, deflated_zeros, gradient, jpeg_of_scans, png_with, written,
};
use super::memory::height;

/// Above what the file itself takes. The pictures are tiny.
const CAP: u64 = 48 << 20;

fn large_sides(mut bytes: Vec<u8>, at: usize, sides: &[u8]) -> Vec<u8> {
    bytes[at..at + sides.len()].copy_from_slice(sides);
    bytes
}

fn png_of(width: u32, height: u32) -> Vec<u8> {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let mut png = large_sides(written(gradient(), ImageFormat::Png), 16, &sides);
    let sum = crc32fast::hash(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&sum);
    png
}

/// Name, file, and what the answer has to be, where only one will do.
fn bombs() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let zeros = deflated_zeros(512);
    let with_key = |key: &[u8]| [key, &zeros].concat();
    let jpeg = super::files::jpeg(1);
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    let webp = written(gradient(), ImageFormat::WebP);
    let lossless = webp.windows(4).position(|w| w == b"VP8L").unwrap();
    let lossy = include_bytes!("../data/lossy.webp").to_vec();
    let start = lossy.windows(3).position(|w| w == [0x9D, 0x01, 0x2A]).unwrap();
    let canvas = animated_webp(2);
    let header = canvas.windows(4).position(|w| w == b"VP8X").unwrap();
    let dimensions = Some("DIMENSIONS");
    vec![
        ("png of 50,000 a side", png_of(50_000, 50_000), dimensions),
        ("png of one row", png_of(2_000_000_000, 1), None),
        ("jpeg of 65,535 a side", large_sides(jpeg, frame + 5, &[0xFF; 4]), dimensions),
        (
            "webp of 16,383 a side",
            large_sides(webp, lossless + 9, &[0xFE, 0xBF, 0xFF, 0x0F]),
            dimensions,
        ),
        (
            "lossy webp of 16,383 a side",
            large_sides(lossy, start + 3, &[0xFF, 0x3F, 0xFF, 0x3F]),
            dimensions,
        ),
        (
            "webp on a canvas of 16 million a side",
            large_sides(canvas, header + 12, &[0xFF; 6]),
            None,
        ),
        ("text of 512 MB in a png", png_with(&[chunk(b"zTXt", &with_key(b"key\0\0"))]), None),
        (
            "international text of 512 MB",
            png_with(&[chunk(b"iTXt", &with_key(b"key\0\x01\0\0\0"))]),
            None,
        ),
        ("colour profile of 512 MB", png_with(&[chunk(b"iCCP", &with_key(b"key\0\0"))]), None),
        ("png of 200,000 frames", animated_png(200_000), None),
        ("webp of 50,000 frames", animated_webp(50_000), None),
        ("jpeg of 2,000 scans", jpeg_of_scans(2000, 2000), Some("CORRUPT")),
    ]
}

#[test]
fn are_refused_or_read_within_the_memory() {
    let limits = Limits::default();
    for (name, bytes, wanted) in bombs() {
        for detail in [Detail::Full, Detail::OneOf(8)] {
            let begin = Instant::now();
            let (height, answer) = height(|| decode_reduced(&bytes, &limits, detail));
            let took = begin.elapsed();
            let answer = answer.map_or_else(|error| error.reason(), |_| "read");
            println!("{name}: {answer} in {took:.1?} and {} MB", height >> 20);
            assert!(wanted.is_none_or(|wanted| wanted == answer), "{name}: {answer}");
            assert!(height < CAP, "{name}: {} MB", height >> 20);
        }
    }
}

/// What is within the limits must stay possible: as many scans as any encoder makes, the most pixels.
#[test]
fn what_is_allowed_takes_what_is_allowed() {
    assert!(decode(&jpeg_of_scans(64, 20), &Limits::default()).is_ok());
    let png = written(image::RgbaImage::new(7000, 7000), ImageFormat::Png);
    for (most, detail) in [
        (jpeg_of_scans(7000, 10), Detail::Full),
        (jpeg_of_scans(7000, 10), Detail::OneOf(8)),
        (png, Detail::Full),
    ] {
        let (height, answer) = height(|| decode_reduced(&most, &Limits::default(), detail));
        println!("49 million pixels at {detail:?}: {} MB", height >> 20);
        assert!(answer.is_ok(), "{answer:?}");
        assert!(height < 700 << 20, "{} MB", height >> 20);
    }
}
