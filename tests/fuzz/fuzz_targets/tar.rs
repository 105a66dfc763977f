//! Tar archives, compressed or not.
#![no_main]

use agespan_fuzz::read_archive;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.starts_with(b"PK") {
        return Corpus::Reject;
    }
    let _ = read_archive(data);
    Corpus::Keep
});
