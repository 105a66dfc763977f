//! A pipeline's JSON files. The first byte says which one is the rest; the others are the shipped
//! pipeline's, and its weights are empty files.
#![no_main]

use std::path::Component;

use agespan_fuzz::kept;
use agespan_models::diffusion::Directory;
use agespan_models::tch::{Device, Kind};
use libfuzzer_sys::fuzz_target;

macro_rules! shipped {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(
            concat!("../../../services/diffusion-generator/shipped/", $name)
        ).as_slice())),*]
    };
}

const SHIPPED: [(&str, &[u8]); 8] = shipped!(
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt"
);
const OTHERS: [&str; 4] = [
    "safety_checker/config.json",
    "feature_extractor/preprocessor_config.json",
    "unet/diffusion_pytorch_model.safetensors.index.json",
    "tokenizer/special_tokens_map.json",
];
const CHECKED: &[u8] = br#"{"_class_name": "StableDiffusionPipeline",
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}"#;
/// A safetensors file of no tensors.
const EMPTY: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

fn lay(name: &str, bytes: &[u8]) {
    kept(&format!("pipeline/{name}"), bytes);
}

fn read(directory: &Directory) {
    let (kind, device) = (Kind::Float, Device::Cpu);
    let _ = directory.scheduler();
    let _ = directory.tokenizer();
    let _ = directory.unet(kind, device);
    let _ = directory.vae(kind, device);
    let _ = directory.text_encoder(kind, device);
    let _ = directory.safety_checker(kind, device);
    for file in directory.files().unwrap_or_default() {
        let inside = file.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(inside, "{} leads out of the pipeline", file.display());
    }
}

fn lay_all() {
    SHIPPED.iter().for_each(|(name, bytes)| lay(name, bytes));
    lay("vae/diffusion_pytorch_model.safetensors", EMPTY);
    lay("text_encoder/model.safetensors", EMPTY);
    lay("safety_checker/model.safetensors", EMPTY);
    lay("unet/diffusion_pytorch_model.fp16.safetensors", EMPTY);
}

fuzz_target!(init: lay_all(), |data: &[u8]| {
    let Some((choice, text)) = data.split_first() else { return };
    let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).chain(OTHERS).collect();
    let name = names[usize::from(*choice) % names.len()];
    let whole = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
    if name.starts_with("safety") || name.starts_with("feature") {
        lay("model_index.json", CHECKED);
    }
    lay(name, text);
    let root = kept("pipeline/tokenizer/unused", b"");
    let root = root.ancestors().nth(2).expect("two folders above");
    if let Ok(directory) = Directory::open(root) {
        read(&directory);
    }
    // As it was, for the next.
    lay("model_index.json", SHIPPED[0].1);
    match whole {
        Some((name, bytes)) => lay(name, bytes),
        None => std::fs::remove_file(root.join(name)).expect("it was just written"),
    }
});
