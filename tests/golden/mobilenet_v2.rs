//! MobileNetV2 against torchvision's.

use std::fs;
use std::path::Path;

use agespan_models::tch::{Device, Kind, Tensor, nn::VarStore, no_grad};
use agespan_models::{Backbone, MobileNetV2, weights};
use agespan_tests::{repository, setting};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    torchvision: String,
    side: i64,
    features: Vec<Vec<f32>>,
    features_with_batch_statistics: Vec<Vec<f32>>,
}

/// Two images of whole numbers 0 to 255, as in the script.
fn pattern(side: i64) -> Tensor {
    let mut pixels = Vec::new();
    for n in 0..2 {
        for c in 0..3 {
            for y in 0..side {
                for x in 0..side {
                    let value = (n * 101 + c * 31 + y * 7 + x * x * 13) % 256;
                    pixels.push(value as f32 / 255.0 * 4.0 - 2.0);
                }
            }
        }
    }
    Tensor::from_slice(&pixels).reshape([2, 3, side, side])
}

fn furthest(found: &Tensor, expected: &[Vec<f32>]) -> f64 {
    let expected = Tensor::from_slice2(expected);
    assert_eq!(found.size(), expected.size());
    (found - expected).abs().max().double_value(&[])
}

#[test]
fn mobilenet_v2_gives_what_torchvisions_gives_on_the_same_weights() {
    let Some(folder) = setting("AGESPAN_FIRST_WEIGHTS") else {
        panic!("AGESPAN_FIRST_WEIGHTS does not name the folder of weights: run `make setup`");
    };
    let golden = fs::read(repository().join("tests/golden/mobilenet_v2.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    let store = VarStore::new(Device::Cpu);
    let network = MobileNetV2::new(&store.root());
    let bytes = fs::read(Path::new(&folder).join(Backbone::MobileNetV2.first_weights())).unwrap();
    weights::load_below(&store, "features.", &bytes).unwrap();
    assert_eq!(store.variables().len(), 52 * 5, "52 convolutions, each with four of its norm");

    let images = pattern(golden.side);
    let (running, batch) =
        no_grad(|| (network.forward(&images, false), network.forward(&images, true)));
    assert_eq!(running.kind(), Kind::Float);
    let version = &golden.torchvision;
    let difference = furthest(&running, &golden.features);
    assert!(difference <= 1e-4, "{difference} from torchvision {version}");
    let difference = furthest(&batch, &golden.features_with_batch_statistics);
    assert!(difference <= 1e-4, "{difference} from torchvision {version}, batch statistics");
}
