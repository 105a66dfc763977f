//! The backbones that begin with faces, and their converted weights, against NumPy on the files that they were
//! converted from.

#![allow(clippy::print_stdout, reason = "a test says why it was skipped")]

use std::fs;
use std::path::Path;

use agespan_models::tch::{Device, Tensor, nn::VarStore, no_grad};
use agespan_models::{Backbone, FaceResNet, MobileNetV1, weights};
use agespan_tests::{repository, setting};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    made_by: String,
    side: u32,
    features: Vec<Vec<f32>>,
}

/// Two images of whole numbers 0 to 255, as in the script: rows of R, G, B.
fn pattern(side: u32) -> Vec<u8> {
    let mut pixels = Vec::new();
    for n in 0..2 {
        for y in 0..side {
            for x in 0..side {
                pixels.extend((0..3).map(|c| ((x * y / 16 + c * 31 + n * 101) % 256) as u8));
            }
        }
    }
    pixels
}

#[test]
fn mobilenet_v1_gives_what_the_file_of_its_weights_says() {
    let store = VarStore::new(Device::Cpu);
    let network = MobileNetV1::new(&store.root());
    check(Backbone::MobileNetV1, store, "mobilenet_v1.json", |images| network.forward(images));
}

#[test]
fn the_residual_network_gives_what_the_file_of_its_weights_says() {
    let store = VarStore::new(Device::Cpu);
    let network = FaceResNet::new(&store.root());
    check(Backbone::FaceResNet, store, "face_resnet.json", |images| network.forward(images));
}

fn check(backbone: Backbone, store: VarStore, golden: &str, forward: impl Fn(&Tensor) -> Tensor) {
    let folder = setting("AGESPAN_FIRST_WEIGHTS").expect("is set by `make setup`");
    let file = Path::new(&folder).join(backbone.first_weights());
    if !file.exists() {
        println!("skipped: {} is not there; `make setup` needs npm for it", file.display());
        return;
    }
    let golden = fs::read(repository().join("tests/golden").join(golden)).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    weights::load(&store, &fs::read(file).unwrap()).unwrap();

    let input = backbone.input(golden.side, golden.side);
    let images = input.tensor(&pattern(golden.side), Device::Cpu);
    let found = no_grad(|| forward(&images));
    let expected = Tensor::from_slice2(&golden.features);
    assert_eq!(found.size(), expected.size());
    let difference = (found - expected).abs().max().double_value(&[]);
    assert!(difference <= 1e-4, "{difference} from {}", golden.made_by);
}
