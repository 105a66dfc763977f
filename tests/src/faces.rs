//! Pictures named as UTKFace names its files. They show no faces.

use std::fs;
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage};

use crate::repository;

/// A portrait in the public domain that comes with the project.
pub fn portrait() -> PathBuf {
    repository().join("deploy/demo/faces/collins.jpg")
}

/// `count` pictures of ages 1 to 90, all different, in a folder that is made for them.
pub fn write(folder: &Path, count: u32) {
    fs::create_dir_all(folder).unwrap();
    for index in 0..count {
        let (age, gender, race) = (1 + index * 37 % 90, index / 3 % 2, index % 5);
        let name = format!("{age}_{gender}_{race}_2017{index:013}.jpg.chip.jpg");
        picture(index, age).save_with_format(folder.join(name), ImageFormat::Jpeg).unwrap();
    }
}

/// Coloured squares, the brighter the older, no two pictures alike.
fn picture(index: u32, age: u32) -> RgbImage {
    let noise = |x: u32, y: u32, channel: u32| {
        let seed = [index, x / 25, y / 25, channel]
            .iter()
            .fold(17, |seed: u32, part| (seed ^ part).wrapping_mul(0x9E37_79B1).rotate_left(13));
        seed >> 24
    };
    RgbImage::from_fn(200, 200, |x, y| {
        Rgb([0, 1, 2].map(|channel| (age + noise(x, y, channel) * 5 / 8) as u8))
    })
}

/// A PNG whose header promises `side` x `side` pixels and whose body holds next to none.
pub fn bomb(side: u32) -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    RgbImage::new(16, 16).write_to(&mut png, ImageFormat::Png).unwrap();
    let mut png = png.into_inner();
    // The first chunk is the header: length, "IHDR", width, height, five bytes, checksum.
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    let sum = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    png
}
