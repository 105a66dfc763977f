//! Times what comparisons of images are made of, on noise. One JSON object for `make bench`, which
//! runs the reference implementations beside it:
//!
//! `cargo run --release -p agespan-models --example bench_images -- THREADS tests/golden/inception.json`
#![allow(clippy::print_stdout, reason = "a program for one script")]
#![allow(clippy::unwrap_used, reason = "a program for one script, which may fail by panicking")]

use std::collections::BTreeMap;
use std::time::Instant;

use agespan_image_metrics::{
    Features, Gaussian, Moments, Picture, frechet_distance, mean_squared_error,
    peak_signal_to_noise, structural_similarity,
};
use agespan_imaging::{RgbImage, bicubic_unrounded};
use agespan_models::tch::{Device, Kind, Tensor};
use agespan_models::{Inception, threads};
use rayon::prelude::*;
use serde_json::{Value, json};

const SIDE: u32 = 200;
const BATCH: usize = 32;
const PAIRS: usize = 60;
const ROWS: i64 = 4096;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().unwrap().parse().unwrap();
    threads::set_count(count);
    let shapes = std::fs::read(arguments.next().unwrap()).unwrap();
    let shapes: Value = serde_json::from_slice(&shapes).unwrap();
    let shapes: BTreeMap<String, Vec<i64>> =
        serde_json::from_value(shapes["tensors"].clone()).unwrap();
    let network = Inception::new(weights(&shapes)).unwrap();
    let images: Vec<RgbImage> = (0..BATCH).map(|_| noise()).collect();
    let seconds = best(3, || features(&network, &images));
    let (left, right) = (noise(), noise());
    let pair = [&left, &right]
        .map(|image| Picture::new(SIDE as usize, SIDE as usize, image.as_raw()).unwrap());
    let ssim = best(3, || {
        (0..PAIRS).for_each(|_| {
            let _ = structural_similarity(pair[0], pair[1]).unwrap();
        });
    });
    let psnr = best(3, || {
        for _ in 0..PAIRS {
            peak_signal_to_noise(mean_squared_error(pair[0], pair[1]).unwrap()).unwrap();
        }
    });
    let gaussians = [gaussian(), gaussian()];
    let frechet = best(1, || {
        let _ = frechet_distance(&gaussians[0], &gaussians[1]).unwrap();
    });
    println!(
        "{}",
        json!({
            "inception": BATCH as f64 / seconds, "ssim": PAIRS as f64 / ssim,
            "psnr": PAIRS as f64 / psnr, "frechet_seconds": frechet,
        })
    );
}

/// The shortest of several times in seconds.
fn best(times: usize, mut work: impl FnMut()) -> f64 {
    let mut once = || {
        let begin = Instant::now();
        work();
        begin.elapsed().as_secs_f64()
    };
    (0..times).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn noise() -> RgbImage {
    let samples = Tensor::randint(256, [i64::from(SIDE * SIDE * 3)], (Kind::Uint8, Device::Cpu));
    RgbImage::from_raw(SIDE, SIDE, Vec::<u8>::try_from(samples).unwrap()).unwrap()
}

fn weights(shapes: &BTreeMap<String, Vec<i64>>) -> BTreeMap<String, Tensor> {
    let tensor = |(name, shape): (&String, &Vec<i64>)| {
        let inputs: i64 = shape[1..].iter().product();
        let tensor = match name {
            name if name.ends_with("conv.weight") => {
                Tensor::randn(shape, (Kind::Float, Device::Cpu)) * (2.0 / inputs as f64).sqrt()
            }
            name if name.ends_with("running_mean") => {
                Tensor::zeros(shape, (Kind::Float, Device::Cpu))
            }
            _ => Tensor::ones(shape, (Kind::Float, Device::Cpu)),
        };
        (name.clone(), tensor)
    };
    shapes.iter().map(tensor).collect()
}

/// Resizing included.
fn features(network: &Inception, images: &[RgbImage]) {
    let side = i64::from(Inception::SIDE);
    let samples: Vec<f32> = images
        .par_iter()
        .flat_map_iter(|image| bicubic_unrounded(image, Inception::SIDE))
        .collect();
    let batch = Tensor::from_slice(&samples).reshape([-1, side, side, 3]);
    let found = network.forward(&batch.permute([0, 3, 1, 2])).unwrap();
    assert_eq!(found.size(), [images.len() as i64, Inception::FEATURES]);
}

fn gaussian() -> Gaussian {
    let rows = Tensor::rand([ROWS, Inception::FEATURES], (Kind::Float, Device::Cpu));
    let values = Vec::<f32>::try_from(rows.flatten(0, -1)).unwrap();
    let features = Features::from_rows(Inception::FEATURES as usize, values).unwrap();
    Moments::of(&features).unwrap()
}
