//! Image metrics against scikit-image, clean-fid, pytorch-fid and torch-fidelity.

use std::collections::BTreeMap;

use agespan_image_metrics::{
    Features, Moments, Picture, frechet_distance, mean_squared_error, peak_signal_to_noise,
    precision_recall, squared_mean_discrepancy, structural_similarity,
};
use agespan_imaging::{RgbImage, bicubic_unrounded};
use agespan_models::tch::{Kind, Tensor};
use serde::Deserialize;

use crate::seeded::{golden, seeded, unit};

#[derive(Deserialize)]
struct Golden {
    versions: BTreeMap<String, String>,
    pairs: Vec<Pair>,
    resized: Vec<Resized>,
    distances: Vec<Distances>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    width: usize,
    height: usize,
    share: u32,
    mse: f64,
    psnr: f64,
    ssim: f64,
}

#[derive(Deserialize)]
struct Resized {
    name: String,
    width: u32,
    height: u32,
    side: u32,
    mean: f64,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Distances {
    rows: i64,
    columns: i64,
    frechet_clean_fid: f64,
    frechet_pytorch_fid: f64,
    kid: f64,
    precision: f64,
    recall: f64,
}

/// Samples of 0 to 255, as in the script.
pub(crate) fn samples(name: &str, width: usize, height: usize) -> Vec<u8> {
    let noise = (seeded(name, &[height as i64, width as i64, 3]) + 0.5) * 256.0;
    Vec::<u8>::try_from(noise.to_kind(Kind::Uint8).flatten(0, -1)).unwrap()
}

fn near(found: f64, expected: f64, relative: f64, what: &str) {
    let difference = (found - expected).abs();
    assert!(difference <= relative * expected.abs(), "{what}: {found} and not {expected}");
}

#[test]
fn pairs_are_as_alike_as_scikit_image_finds_them() {
    let golden: Golden = golden("image_metrics.json");
    let version = &golden.versions["scikit-image"];
    for pair in golden.pairs {
        let (name, width, height) = (&pair.name, pair.width, pair.height);
        let left = samples(&format!("{name} left"), width, height);
        let other = samples(&format!("{name} other"), width, height);
        let mixed = |(&left, &other): (&u8, &u8)| {
            (u32::from(left) * pair.share + u32::from(other) * (16 - pair.share)) / 16
        };
        let right: Vec<u8> = left.iter().zip(&other).map(|pair| mixed(pair) as u8).collect();
        let left = Picture::new(width, height, &left).unwrap();
        let right = Picture::new(width, height, &right).unwrap();
        let squared = mean_squared_error(left, right).unwrap();
        near(squared, pair.mse, 1e-12, &format!("MSE of {name}, scikit-image {version}"));
        let ratio = peak_signal_to_noise(squared).unwrap();
        near(ratio, pair.psnr, 1e-12, &format!("PSNR of {name}, scikit-image {version}"));
        let similarity = structural_similarity(left, right).unwrap();
        near(similarity, pair.ssim, 1e-10, &format!("SSIM of {name}, scikit-image {version}"));
    }
}

#[test]
fn images_are_resized_as_clean_fid_does_it() {
    let golden: Golden = golden("image_metrics.json");
    for resized in golden.resized {
        let (name, width, height) = (&resized.name, resized.width, resized.height);
        let pixels = samples(name, width as usize, height as usize);
        let image = RgbImage::from_raw(width, height, pixels).unwrap();
        let found = bicubic_unrounded(&image, resized.side);
        let mean = found.iter().map(|&sample| f64::from(sample)).sum::<f64>() / found.len() as f64;
        assert!((mean - resized.mean).abs() < 1e-4, "{name}: {mean}");
        let count = resized.values.len();
        for (place, expected) in resized.values.iter().enumerate() {
            let found = found[place * found.len() / count];
            // In grey levels.
            assert!((found - expected).abs() <= 1e-3, "{name} at {place}: {found}, {expected}");
        }
    }
}

/// Rows whose numbers have something to do with each other.
fn features(name: &str, rows: i64, columns: i64) -> Tensor {
    let mixing = seeded("mixing", &[columns, columns]).to_kind(Kind::Double);
    unit(name, &[rows, columns]).to_kind(Kind::Double).matmul(&mixing).to_kind(Kind::Float)
}

fn rows(tensor: &Tensor) -> Features {
    let columns = tensor.size()[1] as usize;
    let values = Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
    Features::from_rows(columns, values).unwrap()
}

#[test]
fn sets_are_as_far_apart_as_the_reference_implementations_find_them() {
    let golden: Golden = golden("image_metrics.json");
    for set in golden.distances {
        let left = rows(&features(&format!("left {}", set.columns), set.rows, set.columns));
        let right = features(&format!("right {}", set.columns), set.rows, set.columns);
        let right = rows(&(right * 1.25 + 0.125));
        let what = |metric: &str| format!("{metric} of {} numbers", set.columns);

        let gaussians = [&left, &right].map(|features| Moments::of(features).unwrap());
        let distance = frechet_distance(&gaussians[0], &gaussians[1]).unwrap();
        near(distance, set.frechet_clean_fid, 1e-4, &what("clean-fid's FID"));
        near(distance, set.frechet_pytorch_fid, 1e-4, &what("pytorch-fid's FID"));

        let kernel = squared_mean_discrepancy(&left, &right).unwrap();
        near(kernel, set.kid, 1e-6, &what("torch-fidelity's KID"));

        let fewer: Vec<usize> = (0..set.rows as usize - 9).collect();
        let found = precision_recall(&left.select(&fewer), &right, 3).unwrap();
        // torch-fidelity takes the mean of 32-bit numbers.
        near(found.precision, set.precision, 1e-6, &what("torch-fidelity's precision"));
        near(found.recall, set.recall, 1e-6, &what("torch-fidelity's recall"));
    }
}
