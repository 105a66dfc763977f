//! CLIP's tokenizer against transformers', on a thousand prompts.

use std::path::Path;

use agespan_models::diffusion::Tokenizer;
use agespan_tests::setting;
use serde::Deserialize;

use crate::seeded::golden;

#[derive(Deserialize)]
struct Golden {
    example: Vec<i64>,
    truncated: usize,
    /// The prompt, how many of its tokens are too many, and the digest of the others.
    prompts: Vec<(String, usize, u32)>,
}

/// FNV-1a over the numbers as 32 bits each.
fn digest(ids: &[i64]) -> u32 {
    let bytes = ids.iter().flat_map(|&id| u32::try_from(id).unwrap().to_le_bytes());
    bytes.fold(0x811c_9dc5, |value, byte| (value ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[test]
fn a_thousand_prompts_have_transformers_numbers() {
    let folder = setting("AGESPAN_FIRST_WEIGHTS").expect("is set by `make setup`");
    let tokenizer = Tokenizer::open(&Path::new(&folder).join("clip-tokenizer")).unwrap();
    let golden: Golden = golden("clip_tokenizer.json");
    assert_eq!(tokenizer.encode("a photo of a cat").unwrap().ids[..10], golden.example);
    assert_eq!(tokenizer.length(), 77);
    let mut truncated = 0;
    let mut wrong = Vec::new();
    for (prompt, dropped, expected) in &golden.prompts {
        let found = tokenizer.encode(prompt).unwrap();
        truncated += usize::from(found.dropped > 0);
        if found.dropped != *dropped || digest(&found.ids) != *expected {
            wrong.push(format!("{prompt:?} {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((golden.prompts.len(), truncated), (1000, golden.truncated));
}
