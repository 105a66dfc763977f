//! File names that hold labels: those of UTKFace, AgeDB and FG-NET.
#![no_main]

use std::sync::LazyLock;

use agespan_dataset::layout::{Format, Layout};
use agespan_dataset::source::{Source, SourceLimits};
use agespan_fuzz::kept;
use libfuzzer_sys::fuzz_target;

static LAYOUTS: LazyLock<[Layout; 3]> = LazyLock::new(|| {
    let file = kept("source/none.txt", b"");
    let limits = SourceLimits { max_file_bytes: 1, max_files: 1 };
    let folder = file.parent().expect("a file has a folder");
    let source = Source::open(folder, limits).expect("it was just made");
    [Format::UtkFace, Format::AgeDb, Format::FgNet]
        .map(|format| Layout::open(&format, &source, &[]).expect("names need no table"))
});

fuzz_target!(|path: &str| {
    for layout in &*LAYOUTS {
        for reading in layout.read(path) {
            match reading.annotation {
                Ok(face) => assert!(face.label.age.exact().is_some_and(|age| age <= 116)),
                Err(fault) => assert!(!fault.reason().is_empty() && !fault.to_string().is_empty()),
            }
        }
    }
});
