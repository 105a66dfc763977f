//! Inception and FID against pytorch-fid's network and a TorchScript program of clean-fid's, on clean-fid's
//! resized images.

use std::collections::BTreeMap;

use agespan_image_metrics::{Features, Moments, frechet_distance};
use agespan_imaging::{RgbImage, bicubic_unrounded};
use agespan_models::tch::{Kind, Tensor};
use agespan_models::{Inception, Scripted};
use serde::Deserialize;

use crate::image_metrics::samples;
use crate::seeded::{Summary, golden, parameter};
use agespan_tests::repository;

#[derive(Deserialize)]
struct Golden {
    versions: BTreeMap<String, String>,
    count: usize,
    features: BTreeMap<String, Summary>,
    fid_clean_fid: f64,
    fid_pytorch_fid: f64,
    /// Names and shapes of pytorch-fid's tensors.
    tensors: BTreeMap<String, Vec<i64>>,
}

/// As in the script.
fn network(golden: &Golden) -> Inception {
    let tensor = |(name, shape): (&String, &Vec<i64>)| {
        let mut tensor = parameter(name, shape);
        if name.ends_with("conv.weight") {
            tensor *= f64::from(2f64.sqrt() as f32);
        }
        if name.ends_with("running_var") {
            tensor += 1.0;
        }
        (name.clone(), tensor)
    };
    Inception::new(golden.tensors.iter().map(tensor).collect()).unwrap()
}

/// Seeded images as clean-fid resizes them.
fn images(name: &str, count: usize) -> Tensor {
    let image = |index: usize| {
        let (width, height) = (40 + index, 30 + 2 * index);
        let mut pixels = samples(&format!("{name} {index}"), width, height);
        if name == "candidate" {
            pixels.iter_mut().for_each(|sample| *sample = *sample / 2 + 96);
        }
        let image = RgbImage::from_raw(width as u32, height as u32, pixels).unwrap();
        let side = i64::from(Inception::SIDE);
        Tensor::from_slice(&bicubic_unrounded(&image, Inception::SIDE)).reshape([side, side, 3])
    };
    let images = Tensor::stack(&(0..count).map(image).collect::<Vec<_>>(), 0);
    images.permute([0, 3, 1, 2])
}

/// FID of every sixteenth feature, as in the scripts.
fn fid(features: &[Tensor; 2]) -> f64 {
    let gaussian = |features: &Tensor| {
        let some = features.slice(1, 0, None, 16);
        let values = Vec::<f32>::try_from(some.to_kind(Kind::Float).flatten(0, -1)).unwrap();
        Moments::of(&Features::from_rows(128, values).unwrap()).unwrap()
    };
    frechet_distance(&gaussian(&features[0]), &gaussian(&features[1])).unwrap()
}

#[test]
fn inception_sees_what_pytorch_fids_sees_and_fid_is_clean_fids() {
    let golden: Golden = golden("inception.json");
    let network = network(&golden);
    let version = &golden.versions["pytorch-fid"];
    let features = ["reference", "candidate"].map(|name| {
        let found = network.forward(&images(name, golden.count)).unwrap();
        golden.features[name].assert_near(&found, &format!("{name}, pytorch-fid {version}"));
        found
    });
    let found = fid(&features);
    for expected in [golden.fid_clean_fid, golden.fid_pytorch_fid] {
        assert!((found - expected).abs() <= 1e-4 * expected, "FID {found} and not {expected}");
    }
}

#[derive(Deserialize)]
struct OfProgram {
    versions: BTreeMap<String, String>,
    count: usize,
    features: BTreeMap<String, Summary>,
    fid: f64,
}

#[test]
fn a_torchscript_program_sees_what_clean_fid_sees_with_it() {
    let golden: OfProgram = golden("inception_torchscript.json");
    let program =
        std::fs::read(repository().join("tests/golden/inception_torchscript.pt")).unwrap();
    assert!(Scripted::is_one(&program));
    let network = Scripted::new(&program).unwrap();
    let version = &golden.versions["clean-fid"];
    let features = ["reference", "candidate"].map(|name| {
        let images = images(name, golden.count);
        let found = network.forward(&images).unwrap();
        golden.features[name].assert_near(&found, &format!("{name}, clean-fid {version}"));
        // A program is compiled anew after its first runs: that must not change what it sees.
        for _ in 0..3 {
            assert_eq!(network.forward(&images).unwrap(), found);
        }
        found
    });
    let found = fid(&features);
    assert!((found - golden.fid).abs() <= 1e-4 * golden.fid, "FID {found} and not {}", golden.fid);
}
