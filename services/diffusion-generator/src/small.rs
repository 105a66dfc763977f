//! A pipeline from nothing: the same classes as Stable Diffusion's, small enough to be trained on a
//! few thousand faces by a CPU.
//!
//! Images are of 64x64 pixels, latents of 16x16x4. The tokenizer knows the words of [`wording`] and
//! single signs. The UNet predicts velocities on a cosine schedule, which keeps some signal at almost
//! all times; at this size the study's own schedule would spend most of its times on pure noise.
//!
//! [`wording`]: crate::wording

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use agespan_models::diffusion::{
    ClipText, ClipTextConfig, DiffusionError, Parameters, Pipeline, RawConfig, SchedulerConfig,
    Tokenizer, Unet, UnetConfig, Vae,
};
use agespan_models::tch::Device;
use serde_json::{Map, Value, json};

use crate::wording::{Attributes, Gender, Race};

/// Tokens of a prompt, begin and end included: "hispanic or middle eastern" at 116 takes 17.
const LENGTH: usize = 20;
/// Length of the texts' vectors.
const TEXT: i64 = 128;

/// The autoencoder's configuration.
pub fn vae() -> RawConfig {
    fields(json!({
        "_class_name": "AutoencoderKL",
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
        "block_out_channels": [24, 48, 64], "layers_per_block": 1, "norm_num_groups": 8,
        "latent_channels": 4, "sample_size": 64,
    }))
}

fn unet() -> RawConfig {
    fields(json!({
        "_class_name": "UNet2DConditionModel",
        "sample_size": 16, "block_out_channels": [64, 128, 192], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "norm_num_groups": 16, "cross_attention_dim": TEXT, "attention_head_dim": 4,
    }))
}

fn text_encoder(tokens: usize, end: usize) -> RawConfig {
    fields(json!({
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model",
        "vocab_size": tokens, "eos_token_id": end, "bos_token_id": end - 1, "pad_token_id": end,
        "hidden_size": TEXT, "intermediate_size": 4 * TEXT, "num_hidden_layers": 3,
        "num_attention_heads": 4, "max_position_embeddings": LENGTH, "hidden_act": "quick_gelu",
    }))
}

fn scheduler() -> RawConfig {
    fields(json!({
        "_class_name": "DDIMScheduler", "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "v_prediction", "num_train_timesteps": 1000, "clip_sample": false,
        "set_alpha_to_one": true, "timestep_spacing": "trailing",
    }))
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The pipeline, with this autoencoder and everything else drawn from the seed. `folder` is for the
/// tokenizer's files.
///
/// # Errors
/// When the folder cannot be written, or the parts do not fit.
pub fn begin(vae: Vae, seed: u64, folder: &Path) -> Result<Pipeline, DiffusionError> {
    let tokens = write_tokenizer(folder)
        .map_err(|source| DiffusionError::Write { path: folder.to_owned(), source })?;
    let refused = |source| DiffusionError::Network { source };
    let start = |part: u64| Parameters::random(seed.wrapping_add(part), Device::Cpu);
    let text = ClipTextConfig::new(text_encoder(tokens, tokens - 1))?;
    Pipeline::new(
        Tokenizer::open(folder)?,
        ClipText::new(text, &start(1)).map_err(refused)?,
        Unet::new(UnetConfig::new(unet())?, &start(2)).map_err(refused)?,
        vae,
        SchedulerConfig::new(scheduler())?,
    )
}

/// Every word that attributes are said with.
fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for race in Race::ALL {
        for gender in [Gender::Female, Gender::Male] {
            for age in [1, 30] {
                let prompt = Attributes { age, gender, race }.prompt();
                words.extend(prompt.split(' ').map(str::to_owned));
            }
        }
    }
    words.retain(|word| word.chars().all(char::is_alphabetic) && word.len() > 1);
    words
}

/// Writes a vocabulary of signs and words. Gives the number of tokens; the last is the end's.
fn write_tokenizer(folder: &Path) -> io::Result<usize> {
    let signs = signs();
    let mut tokens: Vec<String> = signs.clone();
    tokens.extend(signs.iter().map(|sign| format!("{sign}</w>")));
    let mut merges: Vec<[String; 2]> = Vec::new();
    for word in words() {
        // What the earlier words' merges, which come first, leave of this one is put together from
        // its left.
        let mut pieces = pieces(&word, &merges).into_iter();
        let mut left = pieces.next().unwrap_or_default();
        for right in pieces {
            let whole = format!("{left}{right}");
            merges.push([left, right]);
            tokens.push(whole.clone());
            left = whole;
        }
    }
    tokens.extend(["<|startoftext|>".to_owned(), "<|endoftext|>".to_owned()]);
    let count = tokens.len();
    let numbered = tokens.into_iter().enumerate().map(|(id, token)| (token, Value::from(id)));
    let vocabulary: Map<String, Value> = numbered.collect();
    let settings = json!({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH,
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    });
    fs::create_dir_all(folder)?;
    fs::write(folder.join("vocab.json"), serde_json::to_vec(&vocabulary)?)?;
    let merges: String = merges.iter().map(|[left, right]| format!("{left} {right}\n")).collect();
    fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{merges}"))?;
    fs::write(folder.join("tokenizer_config.json"), serde_json::to_vec_pretty(&settings)?)?;
    Ok(count)
}

/// What byte pair encoding makes of a word: the earliest merge that fits, again and again.
fn pieces(word: &str, merges: &[[String; 2]]) -> Vec<String> {
    let mut pieces: Vec<String> = word.chars().map(String::from).collect();
    if let Some(last) = pieces.last_mut() {
        last.push_str("</w>");
    }
    let place = |pieces: &[String]| {
        merges.iter().find_map(|merge| pieces.windows(2).position(|pair| pair == merge))
    };
    while let Some(place) = place(&pieces) {
        let right = pieces.remove(place + 1);
        pieces[place].push_str(&right);
    }
    pieces
}

/// The letters that byte-level tokenizers write the 256 bytes with: those that can be seen stand for
/// themselves, the others for the first letters after Latin-1.
fn signs() -> Vec<String> {
    let seen = |byte: &u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let hidden = (0..256).filter(|byte| !seen(byte)).count() as u32;
    let letters = (0..256).filter(seen).chain(256..256 + hidden);
    letters.filter_map(char::from_u32).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agespan_models::diffusion::VaeConfig;

    #[test]
    fn the_small_pipeline_takes_every_caption_whole() {
        let folder = tempfile::tempdir().unwrap();
        let vae =
            Vae::new(VaeConfig::new(super::vae()).unwrap(), &Parameters::random(0, Device::Cpu));
        let pipeline = begin(vae.unwrap(), 1, &folder.path().join("words")).unwrap();
        for race in Race::ALL {
            let attributes = Attributes { age: 116, gender: Gender::Female, race };
            let tokens = pipeline.tokenizer.encode(&attributes.prompt()).unwrap();
            assert_eq!(tokens.dropped, 0, "{attributes:?}");
        }
        // One for each word and digit, besides begin, end and padding.
        let tokens = pipeline.tokenizer.encode("a 34 year old black woman").unwrap();
        let distinct: BTreeSet<_> = tokens.ids.iter().collect();
        assert!(tokens.ids[9..].iter().all(|id| *id == tokens.ids[8]), "{tokens:?}");
        assert_eq!(distinct.len(), 9);
        assert_eq!(pipeline.sampling().width, 64);
    }
}
