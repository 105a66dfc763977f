//! Inception and FID against pytorch-fid's network on clean-fid's resized images.

use std::collections::BTreeMap;

use agespan_image_metrics::{Features, Moments, frechet_distance};
use agespan_imaging::{RgbImage, bicubic_unrounded};
use agespan_models::Inception;
use agespan_models::tch::{IndexOp, Kind, Tensor};
use serde::Deserialize;

use crate::image_metrics::samples;
use crate::seeded::{Summary, golden, parameter};

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

fn features(network: &Inception, name: &str, count: usize) -> Tensor {
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
    network.forward(&images.permute([0, 3, 1, 2])).unwrap()
}

#[test]
fn inception_sees_what_pytorch_fids_sees_and_fid_is_clean_fids() {
    let golden: Golden = golden("inception.json");
    let network = network(&golden);
    let version = &golden.versions["pytorch-fid"];
    let mut gaussians = Vec::new();
    for name in ["reference", "candidate"] {
        let found = features(&network, name, golden.count);
        golden.features[name].assert_near(&found, &format!("{name}, pytorch-fid {version}"));
        // Of every sixteenth feature, as in the script.
        let some = found.i((.., 0..Inception::FEATURES)).slice(1, 0, None, 16);
        let values = Vec::<f32>::try_from(some.to_kind(Kind::Float).flatten(0, -1)).unwrap();
        gaussians.push(Moments::of(&Features::from_rows(128, values).unwrap()).unwrap());
    }
    let found = frechet_distance(&gaussians[0], &gaussians[1]).unwrap();
    for expected in [golden.fid_clean_fid, golden.fid_pytorch_fid] {
        assert!((found - expected).abs() <= 1e-4 * expected, "FID {found} and not {expected}");
    }
}
