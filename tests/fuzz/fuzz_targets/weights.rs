//! Safetensors files: of models, read into memory and as they are mapped, and of put-down trainings.
#![no_main]

use agespan_fuzz::kept;
use agespan_models::diffusion::Directory;
use agespan_models::tch::{Device, Kind};
use agespan_models::{checkpoint, weights};
use libfuzzer_sys::fuzz_target;

const SHIPPED: [(&str, &[u8]); 2] = [
    (
        "model_index.json",
        include_bytes!("../../../services/diffusion-generator/shipped/model_index.json"),
    ),
    (
        "vae/config.json",
        include_bytes!("../../../services/diffusion-generator/shipped/vae/config.json"),
    ),
];

fn mapped(data: &[u8]) {
    kept("pipeline/vae/diffusion_pytorch_model.safetensors", data);
    let path = kept("pipeline/model_index.json", SHIPPED[0].1);
    let folder = path.parent().expect("a file has a folder");
    let directory = Directory::open(folder).expect("the shipped index");
    assert!(directory.vae(Kind::Float, Device::Cpu).is_err(), "a whole autoencoder by chance");
}

fuzz_target!(init: SHIPPED.iter().for_each(|(name, bytes)| {
    kept(&format!("pipeline/{name}"), bytes);
}), |data: &[u8]| {
    if let Ok(tensors) = weights::read(data) {
        let tensors: Vec<_> = tensors.into_iter().collect();
        let bytes = weights::write(&tensors).expect("what was read can be written");
        let again = weights::read(&bytes).expect("what was written can be read");
        assert!(again.keys().eq(tensors.iter().map(|(name, _)| name)));
    }
    let _ = checkpoint::read::<serde_json::Value, 2>(data, ["net.", "optimizer."]);
    mapped(data);
});
