//! CLIP's tokenizer: byte-level pairs over lower-cased words, as transformers' `CLIPTokenizer`.

use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;

use serde_json::{Value, json};
use tch::Tensor;

use super::DiffusionError;
use super::fields::parse_json;

/// Words, numbers digit by digit, and runs of other signs.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

const FILES: [&str; 5] = [
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

/// A text as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// As many as the text encoder takes: begin, the text's, end, padding.
    pub ids: Vec<i64>,
    /// How many tokens of the text were left out because it is too long.
    pub dropped: usize,
}

impl Tokens {
    /// `[1, length]`: what the text encoder takes.
    pub fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.ids).unsqueeze(0)
    }
}

/// The tokenizer of a pipeline.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    begin: i64,
    end: i64,
    padding: i64,
    length: usize,
    vocabulary: usize,
    /// Its files, to be saved with a pipeline.
    files: Vec<(&'static str, Vec<u8>)>,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokenizer").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads `vocab.json` and `merges.txt`, or else `tokenizer.json`, of a tokenizer's folder; the
    /// special tokens and the length are those of `tokenizer_config.json` and
    /// `special_tokens_map.json`, where there are such files.
    pub fn open(folder: &Path) -> Result<Self, DiffusionError> {
        let mut files = Vec::new();
        for name in FILES {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(bytes) => files.push((name, bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(DiffusionError::Read { path, source }),
            }
        }
        let refuse = |reason: String| DiffusionError::Tokenizer { path: folder.to_owned(), reason };
        let special = Special::new(&files).map_err(refuse)?;
        let inner = match (text(&files, "vocab.json"), text(&files, "merges.txt")) {
            (Some(vocabulary), Some(merges)) => of_vocabulary(vocabulary, merges, &special),
            _ => match text(&files, "tokenizer.json") {
                Some(whole) => of_one_file(whole),
                None => {
                    return Err(DiffusionError::MissingFile { path: folder.join("vocab.json") });
                }
            },
        };
        let inner = inner.map_err(refuse)?;
        let id = |token: &str| {
            let id = inner.token_to_id(token).map(i64::from);
            id.ok_or_else(|| refuse(format!("the vocabulary lacks {token:?}")))
        };
        let (begin, end, padding) = (id(&special.begin)?, id(&special.end)?, id(&special.padding)?);
        if special.length < 2 {
            return Err(refuse("model_max_length is below 2".to_owned()));
        }
        let largest = inner.get_vocab(true).into_values().max();
        let vocabulary = largest.map_or(0, |largest| largest as usize + 1);
        Ok(Self { begin, end, padding, length: special.length, vocabulary, inner, files })
    }

    /// Tokens that the text encoder takes at once, begin and end included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// One more than the largest number that a text can have.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The numbers of a text.
    pub fn encode(&self, prompt: &str) -> Result<Tokens, DiffusionError> {
        let encoding = guarded(|| self.inner.encode(prompt, false))
            .map_err(|reason| DiffusionError::Prompt { reason })?;
        let (words, room) = (encoding.get_ids(), self.length - 2);
        let kept = words.len().min(room);
        let mut ids = vec![self.begin];
        ids.extend(words[..kept].iter().map(|&id| i64::from(id)));
        ids.push(self.end);
        ids.resize(self.length, self.padding);
        Ok(Tokens { ids, dropped: words.len() - kept })
    }

    /// Its files, by name.
    pub(crate) fn files(&self) -> &[(&'static str, Vec<u8>)] {
        &self.files
    }
}

fn text<'a>(files: &'a [(&str, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, bytes) = files.iter().find(|(file, _)| *file == name)?;
    str::from_utf8(bytes).ok()
}

/// The tokens with a meaning of their own.
struct Special {
    begin: String,
    end: String,
    unknown: String,
    padding: String,
    length: usize,
}

impl Special {
    fn new(files: &[(&str, Vec<u8>)]) -> Result<Self, String> {
        let mut fields = serde_json::Map::new();
        // The map is older, and what the configuration says counts for more.
        for name in ["special_tokens_map.json", "tokenizer_config.json"] {
            let Some(text) = text(files, name) else { continue };
            let value = parse_json(text).map_err(|error| format!("{name}: {error}"))?;
            fields.extend(value.as_object().cloned().unwrap_or_default());
        }
        let token = |name: &str, default: &str| {
            let value = fields.get(name);
            let plain = value.and_then(Value::as_str);
            let plain = plain.or_else(|| value.and_then(|value| value["content"].as_str()));
            plain.unwrap_or(default).to_owned()
        };
        let end = token("eos_token", "<|endoftext|>");
        // Absent, or a number beyond all others, which stands for none.
        let length = fields.get("model_max_length").and_then(Value::as_u64).unwrap_or(77);
        Ok(Self {
            begin: token("bos_token", "<|startoftext|>"),
            unknown: token("unk_token", "<|endoftext|>"),
            padding: token("pad_token", &end),
            end,
            length: usize::try_from(length).unwrap_or(77).min(1 << 16),
        })
    }
}

/// The tokenizer of a vocabulary and its merges, put together as a `tokenizer.json`.
fn of_vocabulary(
    vocabulary: &str,
    merges: &str,
    special: &Special,
) -> Result<tokenizers::Tokenizer, String> {
    let vocabulary: Value =
        serde_json::from_str(vocabulary).map_err(|error| format!("vocab.json: {error}"))?;
    let lines = merges.lines().filter(|line| !line.starts_with("#version") && !line.is_empty());
    let merges: Vec<&str> = lines.collect();
    let mut added: Vec<Value> = Vec::new();
    for token in [&special.begin, &special.end, &special.unknown, &special.padding] {
        let id = &vocabulary[token.as_str()];
        if id.is_null() {
            return Err(format!("the vocabulary lacks {token:?}"));
        }
        let entry = json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        });
        if !added.contains(&entry) {
            added.push(entry);
        }
    }
    let whole = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Lowercase"},
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        ]},
        "post_processor": null,
        "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": special.unknown,
            "continuing_subword_prefix": "", "end_of_word_suffix": "</w>", "fuse_unk": false,
            "byte_fallback": false, "vocab": vocabulary, "merges": merges,
        },
    });
    guarded(|| tokenizers::Tokenizer::from_str(&whole.to_string()))
}

/// The tokenizer of a `tokenizer.json`. Texts are cut and filled up here, whatever the file says.
fn of_one_file(whole: &str) -> Result<tokenizers::Tokenizer, String> {
    guarded(|| {
        let mut tokenizer = tokenizers::Tokenizer::from_str(whole)?;
        tokenizer.with_truncation(None)?.with_padding(None);
        Ok(tokenizer)
    })
}

/// The library answers some files that contradict themselves with a panic, while it reads them or at
/// the first text. A half-read tokenizer is thrown away, a whole one is only read.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizer contradicts itself".to_owned()),
    }
}
