//! What the targets share: files for readers that take a path, and panics that are an answer.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use agespan_imaging::source::{Content, InputFile, Source, SourceError, SourceLimits};

/// Of this process alone. `run.py` says where, and takes it away.
static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("agespan-fuzz-{}", std::process::id())));

/// A file of these bytes under a path of its own.
pub fn kept(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).expect("the folder of temporary files can be written");
    }
    fs::write(&path, bytes).expect("the folder of temporary files can be written");
    path
}

/// An archive's files, each held to what whoever unpacks them relies on.
pub fn read_archive(bytes: &[u8]) -> Result<(), SourceError> {
    const LIMITS: SourceLimits = SourceLimits { max_file_bytes: 1 << 16, max_files: 100 };
    let mut files = 0;
    Source::open(&kept("archive", bytes), LIMITS)?.visit(|InputFile { path, content }| {
        files += 1;
        assert!(files <= LIMITS.max_files, "more files than allowed");
        assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."), "{path:?}");
        if let Content::Bytes(bytes) = content {
            assert!(bytes.len() as u64 <= LIMITS.max_file_bytes, "{path:?} is too long");
        }
        Ok(())
    })
}

/// A panic of a library that the product catches is an answer. libFuzzer would end at it; after this
/// only one that nobody catches ends the process. What the targets themselves assert is still printed.
pub fn let_panics_be_caught() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|place| place.file().contains("fuzz_targets")) {
            print(panic);
        }
    }));
}

/// The parts of an input, which zero bytes divide; missing ones are empty.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
