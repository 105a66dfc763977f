//! A pipeline of a few thousand seeded weights, for tests. It draws coloured noise of 16x16 pixels.
//! The end-to-end tests include this file as well.

use std::fs;
use std::path::{Path, PathBuf};

use agespan_models::diffusion::{
    ClipImageConfig, ClipText, ClipTextConfig, Parameters, Pipeline, SafetyChecker, SafetyConfig,
    SchedulerConfig, Tokenizer, Unet, UnetConfig, Vae, VaeConfig,
};
use agespan_models::tch::{Device, Kind, Tensor};
use serde_json::{Map, Value, json};

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Single letters are its words, and ten of them its longest prompt.
fn words(folder: &Path) -> PathBuf {
    let folder = folder.join("words");
    fs::create_dir_all(&folder).unwrap();
    let letters = ('a'..='z').chain('0'..='9');
    let tokens = letters.flat_map(|letter| [letter.to_string(), format!("{letter}</w>")]);
    let special = ["<|startoftext|>", "<|endoftext|>"].map(str::to_owned);
    let numbered = tokens.chain(special).enumerate();
    let vocabulary: Map<String, Value> = numbered.map(|(id, token)| (token, id.into())).collect();
    fs::write(folder.join("vocab.json"), serde_json::to_vec(&vocabulary).unwrap()).unwrap();
    fs::write(folder.join("merges.txt"), "#version: 0.2\n").unwrap();
    fs::write(folder.join("tokenizer_config.json"), r#"{"model_max_length": 12}"#).unwrap();
    folder
}

/// Saves the pipeline of a seed as `{folder}/{name}` and gives that path.
pub(crate) fn save(folder: &Path, name: &str, seed: u64) -> PathBuf {
    save_as(folder, name, &pipeline(folder, seed))
}

/// The same with a safety checker that flags every image, or none.
pub(crate) fn save_with_checker(folder: &Path, name: &str, seed: u64, flags: bool) -> PathBuf {
    let config = fields(&json!({
        "projection_dim": 8,
        "vision_config": {
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 16, "patch_size": 8,
        },
    }));
    let image = fields(&json!({"size": 16, "crop_size": 16}));
    // No cosine is beyond these.
    let threshold = if flags { -2.0 } else { 2.0 };
    let start = Parameters::made(move |name, shape| {
        let value = if name.ends_with("_weights") { threshold } else { 0.1 };
        Tensor::full(shape, value, (Kind::Float, Device::Cpu))
    });
    let checker = SafetyChecker::new(
        SafetyConfig::new(config).unwrap(),
        ClipImageConfig::new(image).unwrap(),
        &start,
    );
    let mut pipeline = pipeline(folder, seed);
    pipeline.safety_checker = Some(checker.unwrap());
    save_as(folder, name, &pipeline)
}

fn save_as(folder: &Path, name: &str, pipeline: &Pipeline) -> PathBuf {
    let path = folder.join(name);
    pipeline.save(&path).unwrap();
    path
}

fn pipeline(folder: &Path, seed: u64) -> Pipeline {
    let text = fields(&json!({
        "vocab_size": 80, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 12, "eos_token_id": 73,
    }));
    let unet = fields(&json!({
        "sample_size": 8, "block_out_channels": [8, 16], "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "norm_num_groups": 4, "cross_attention_dim": 16, "attention_head_dim": 2,
    }));
    let vae = fields(&json!({
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        "block_out_channels": [8, 8], "norm_num_groups": 4, "sample_size": 16,
    }));
    let scheduler = fields(&json!({"_class_name": "DDIMScheduler", "steps_offset": 1}));
    let start = |part| Parameters::random(seed * 3 + part, Device::Cpu);
    Pipeline::new(
        Tokenizer::open(&words(folder)).unwrap(),
        ClipText::new(ClipTextConfig::new(text).unwrap(), &start(0)).unwrap(),
        Unet::new(UnetConfig::new(unet).unwrap(), &start(1)).unwrap(),
        Vae::new(VaeConfig::new(vae).unwrap(), &start(2)).unwrap(),
        SchedulerConfig::new(scheduler).unwrap(),
    )
    .unwrap()
}
