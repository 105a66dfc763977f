//! Photos, decoded in full and scaled.
#![no_main]

use agespan_fuzz::let_panics_be_caught;
use agespan_imaging::{Detail, Limits, decode, decode_reduced};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: let_panics_be_caught(), |data: &[u8]| {
    // Large pictures take long and are decoded no differently.
    let limits = Limits { max_pixels: 1 << 18, ..Limits::default() };
    let whole = decode(data, &limits);
    for detail in [Detail::OneOf(2), Detail::ShorterSide(16)] {
        let Ok(reduced) = decode_reduced(data, &limits, detail) else { continue };
        let (width, height) = (reduced.width, reduced.height);
        assert!(u64::from(width) * u64::from(height) <= limits.max_pixels);
        let smaller = reduced.image.dimensions();
        assert_eq!(smaller.0, width.div_ceil(reduced.reduction));
        assert_eq!(smaller.1, height.div_ceil(reduced.reduction));
        if let Ok(whole) = &whole {
            assert_eq!(whole.dimensions(), (width, height));
        }
    }
});
