//! The small pipeline that comes with the project: `shipped`, with its card.

use std::fs;
use std::io;
use std::path::Path;

use agespan_storage::ContentHash;

macro_rules! files {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!("../../shipped/", $name)).as_slice())),*]
    };
}

/// Its files, by their path in the directory and in order of it.
const FILES: [(&str, &[u8]); 11] = files![
    "model_index.json"
    "scheduler/scheduler_config.json"
    "text_encoder/config.json"
    "text_encoder/model.safetensors"
    "tokenizer/merges.txt"
    "tokenizer/tokenizer_config.json"
    "tokenizer/vocab.json"
    "unet/config.json"
    "unet/diffusion_pytorch_model.safetensors"
    "vae/config.json"
    "vae/diffusion_pytorch_model.safetensors"
];

/// The hash of each file.
pub(super) fn hashes() -> impl Iterator<Item = (&'static str, ContentHash)> {
    FILES.into_iter().map(|(name, bytes)| (name, ContentHash::of(bytes)))
}

/// Writes it as a diffusers directory.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, bytes)?;
    }
    Ok(())
}
