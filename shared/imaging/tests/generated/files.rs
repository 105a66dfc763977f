//! Sound files to begin with.

use std::io::{Cursor, Write};

use agespan_imaging::RgbImage;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat};

pub(crate) fn gradient() -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| image::Rgb([x as u8 * 5, y as u8 * 7, 128]))
}

pub(crate) fn written(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG that says how the camera was held.
pub(crate) fn jpeg(orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&gradient(), 48, 32, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Files of every kind that is read, by name.
pub(crate) fn sound() -> Vec<(String, Vec<u8>)> {
    let deep = DynamicImage::from(gradient()).into_rgba16();
    let mut files = vec![
        ("progressive jpeg".to_owned(), include_bytes!("../data/progressive.jpg").to_vec()),
        ("jpeg with restarts".to_owned(), include_bytes!("../data/restart.jpg").to_vec()),
        ("jpeg with a thumbnail".to_owned(), include_bytes!("../data/thumbnail.jpg").to_vec()),
        ("cmyk jpeg".to_owned(), include_bytes!("../data/cmyk.jpg").to_vec()),
        ("png".to_owned(), written(gradient(), ImageFormat::Png)),
        ("deep png".to_owned(), written(deep, ImageFormat::Png)),
        ("animated png".to_owned(), animated_png(3)),
        ("webp".to_owned(), written(gradient(), ImageFormat::WebP)),
        ("lossy webp".to_owned(), include_bytes!("../data/lossy.webp").to_vec()),
        ("animated webp".to_owned(), animated_webp(3)),
    ];
    for orientation in 1..=8 {
        files.push((format!("jpeg held in way {orientation}"), jpeg(orientation)));
    }
    files
}

/// A chunk of a PNG: length, kind, data, checksum.
pub(crate) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut body = kind.to_vec();
    body.extend(data);
    let mut chunk = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
    chunk.extend(&body);
    chunk.extend(crc32fast::hash(&body).to_be_bytes());
    chunk
}

/// A PNG with more chunks after its header.
pub(crate) fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let png = written(gradient(), ImageFormat::Png);
    // The signature has 8 bytes and the header chunk 25.
    let (head, rest) = png.split_at(33);
    [head, &chunks.concat(), rest].concat()
}

/// A PNG that says it has so many frames, and has as many descriptions of them.
pub(crate) fn animated_png(frames: u32) -> Vec<u8> {
    let control = |number: u32| {
        let sides = [48u32, 32, 0, 0].map(u32::to_be_bytes).concat();
        let data = [number.to_be_bytes().to_vec(), sides, vec![0, 1, 0, 100, 0, 0]].concat();
        chunk(b"fcTL", &data)
    };
    let mut count = frames.to_be_bytes().to_vec();
    count.extend([0; 4]);
    let png = png_with(&[chunk(b"acTL", &count), control(0)]);
    // The end chunk has 12 bytes; later frames stand before it.
    let (body, end) = png.split_at(png.len() - 12);
    let later = (1..frames).map(|number| control(number * 2 - 1)).collect::<Vec<_>>().concat();
    [body, &later, end].concat()
}

/// A WebP of so many frames, each the whole picture.
pub(crate) fn animated_webp(frames: usize) -> Vec<u8> {
    let still = written(gradient(), ImageFormat::WebP);
    let frame =
        [[0u8; 6].as_slice(), &[47, 0, 0, 31, 0, 0], &[100, 0, 0, 0], &still[12..]].concat();
    let mut body = b"WEBP".to_vec();
    body.extend(riff(b"VP8X", &[2, 0, 0, 0, 47, 0, 0, 31, 0, 0]));
    body.extend(riff(b"ANIM", &[0; 6]));
    body.extend(riff(b"ANMF", &frame).repeat(frames));
    riff(b"RIFF", &body)
}

fn riff(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = kind.to_vec();
    chunk.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    chunk.extend(data);
    chunk.extend(vec![0; data.len() % 2]);
    chunk
}

/// So many zeros in a thousandth of the space.
pub(crate) fn deflated_zeros(megabytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..megabytes {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// A JPEG of one grey in so many scans over all its blocks, each of a few bytes: what takes a decoder
/// long and its sender nothing.
pub(crate) fn jpeg_of_scans(side: u16, scans: usize) -> Vec<u8> {
    let segment = |marker: u8, data: &[u8]| {
        let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
        [[0xFF, marker].as_slice(), &length, data].concat()
    };
    // One symbol with the code 0: for the first coefficients "no difference", for the others "none
    // in the next 2^14 + n blocks", where n has 14 bits.
    let table = |class: u8, symbol: u8| {
        let mut data = vec![class];
        data.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, symbol]);
        segment(0xC4, &data)
    };
    let sides = side.to_be_bytes();
    let frame = [[8].as_slice(), &sides, &sides, &[1, 1, 0x11, 0]].concat();
    let blocks = usize::from(side).div_ceil(8).pow(2);
    let first = [segment(0xDA, &[1, 1, 0, 0, 0, 0]), vec![0; blocks.div_ceil(8)]].concat();
    // Ones that fill a byte are followed by a zero, so 15 bits of run take this many bytes at most.
    let runs = blocks.div_ceil(1 << 14);
    let later = [segment(0xDA, &[1, 1, 0, 1, 63, 0]), vec![0; (runs * 15).div_ceil(8)]].concat();
    [
        vec![0xFF, 0xD8],
        segment(0xDB, &[[0].as_slice(), &[1; 64]].concat()),
        segment(0xC2, &frame),
        table(0x00, 0),
        table(0x10, 0xE0),
        first,
        later.repeat(scans - 1),
        vec![0xFF, 0xD9],
    ]
    .concat()
}
