//! A CLIP tokenizer of two files. Zero bytes divide `vocab.json`, `merges.txt`,
//! `tokenizer_config.json` and a text.
#![no_main]

use agespan_fuzz::{kept, let_panics_be_caught, parts};
use agespan_models::diffusion::Tokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: let_panics_be_caught(), |data: &[u8]| {
    let [vocabulary, merges, config, text] = parts(data);
    kept("tokenizer/vocab.json", vocabulary);
    kept("tokenizer/merges.txt", merges);
    let path = kept("tokenizer/tokenizer_config.json", config);
    let folder = path.parent().expect("a file has a folder");
    let Ok(tokenizer) = Tokenizer::open(folder) else { return };
    let Ok(tokens) = tokenizer.encode(&String::from_utf8_lossy(text)) else { return };
    assert_eq!(tokens.ids.len(), tokenizer.length());
    assert!(tokens.ids.iter().all(|&id| (id as usize) < tokenizer.vocabulary()), "{tokens:?}");
});
