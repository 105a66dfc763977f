//! Images that are cut off, or have bits turned over.

use agespan_imaging::{Detail, Limits, decode, decode_reduced};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::files;
use super::tally::Tally;

const SEED: u64 = 8;

/// Of each file.
const FLIPS: usize = 1500;

fn answer(bytes: &[u8]) -> String {
    let limits = Limits::default();
    let whole = decode(bytes, &limits);
    // The other decoder of JPEGs, which many requests go through.
    let reduced = decode_reduced(bytes, &limits, Detail::OneOf(2));
    if let Ok(photo) = &reduced {
        let pixels = u64::from(photo.width) * u64::from(photo.height);
        assert!(pixels <= limits.max_pixels && photo.width.min(photo.height) >= limits.min_side);
    }
    match whole {
        Ok(_) => "read".to_owned(),
        Err(error) => {
            assert!(error.to_string().contains(": "), "says nothing to do: {error}");
            let inside = if error.to_string().contains("decoder failed") { " (panic)" } else { "" };
            format!("{}{inside}", error.reason())
        }
    }
}

#[test]
fn cut_off_at_every_byte() {
    let mut tally = Tally::default();
    for (name, bytes) in files::sound() {
        assert_eq!(answer(&bytes), "read", "{name}");
        for length in 0..bytes.len() {
            tally.run(&format!("{name}, {length} bytes"), || answer(&bytes[..length]));
        }
    }
    tally.print("cut off");
    assert!(tally.count() > 5000, "{}", tally.count());
}

#[test]
fn with_bits_turned_over() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut tally = Tally::default();
    for (name, bytes) in files::sound() {
        for number in 0..FLIPS {
            let mut broken = bytes.clone();
            for _ in 0..random.random_range(1..=4) {
                let at = random.random_range(0..broken.len());
                broken[at] ^= 1 << random.random_range(0..8);
            }
            tally.run(&format!("{name}, seed {SEED}, number {number}"), || answer(&broken));
        }
    }
    let _ = std::panic::take_hook();
    tally.print("turned over");
    assert!(tally.count() > 20_000, "{}", tally.count());
}
