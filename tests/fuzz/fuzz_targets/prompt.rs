//! Prompts, for the shipped pipeline's tokenizer.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use agespan_models::diffusion::Tokenizer;
use libfuzzer_sys::fuzz_target;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let shipped = "../../services/diffusion-generator/shipped/tokenizer";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(shipped);
    Tokenizer::open(&folder).expect("the shipped tokenizer")
});

fuzz_target!(|prompt: &str| {
    let tokens = TOKENIZER.encode(prompt).expect("every text has numbers");
    assert_eq!(tokens.ids.len(), TOKENIZER.length());
    assert!(tokens.ids.iter().all(|&id| (id as usize) < TOKENIZER.vocabulary()), "{tokens:?}");
    // All that is lost of a text is its end.
    let twice = TOKENIZER.encode(&format!("{prompt} {prompt}")).expect("every text has numbers");
    assert!(tokens.dropped == 0 || twice.ids == tokens.ids, "{tokens:?} {twice:?}");
});
