//! The file of callers and their tokens.
#![no_main]

use agespan_fuzz::kept;
use agespan_service::security::tokens;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(callers) = tokens::callers(&kept("tokens.toml", data)) {
        assert!(!callers.is_empty() && callers.iter().all(|name| (1..=64).contains(&name.len())));
    }
});
