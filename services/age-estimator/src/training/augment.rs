//! Random changes of a training face: where it is cropped, whether it is mirrored, how bright and
//! how contrasted it is. A pure function of seed, epoch and face, so that a resumed run repeats
//! what the interrupted one did.

use agespan_models::InputSpec;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Largest change of brightness and of contrast, as a share.
const JITTER: f32 = 0.2;

/// The generator for one face in one epoch.
pub(super) fn generator(seed: u64, epoch: u32, face: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&u64::from(epoch).to_le_bytes());
    key[16..24].copy_from_slice(&(face as u64).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Writes a changed crop of `pixels` to `target`.
pub(super) fn augment(pixels: &[u8], input: &InputSpec, random: &mut impl Rng, target: &mut [u8]) {
    let room = input.resize - input.crop;
    let (left, top) = (random.random_range(0..=room), random.random_range(0..=room));
    input.copy_crop(pixels, left, top, target);
    if random.random() {
        mirror(target, input.crop as usize);
    }
    let brightness = random.random_range(1.0 - JITTER..=1.0 + JITTER);
    let contrast = random.random_range(1.0 - JITTER..=1.0 + JITTER);
    let table = tone_table(brightness, contrast, mean(target));
    for value in target {
        *value = table[*value as usize];
    }
}

fn mirror(pixels: &mut [u8], side: usize) {
    for row in pixels.chunks_exact_mut(side * 3) {
        let (pixels, _) = row.as_chunks_mut::<3>();
        pixels.reverse();
    }
}

fn mean(pixels: &[u8]) -> f32 {
    let sum: u64 = pixels.iter().map(|&value| u64::from(value)).sum();
    sum as f32 / pixels.len() as f32
}

/// Contrast turns about the image's mean; brightness scales the outcome.
fn tone_table(brightness: f32, contrast: f32, mean: f32) -> [u8; 256] {
    std::array::from_fn(|value| {
        let toned = ((value as f32 - mean) * contrast + mean) * brightness;
        toned.round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(seed: u64, epoch: u32) -> Vec<u8> {
        let input = InputSpec { resize: 40, crop: 32, ..InputSpec::default() };
        let pixels: Vec<u8> = (0..input.image_bytes()).map(|i| (i * 31 % 251) as u8).collect();
        let mut target = vec![0; input.crop_bytes()];
        augment(&pixels, &input, &mut generator(seed, epoch, 3), &mut target);
        target
    }

    #[test]
    fn the_same_seed_and_epoch_give_the_same_crop_and_others_give_another() {
        assert_eq!(crop(1, 2), crop(1, 2));
        assert_ne!(crop(1, 2), crop(1, 3));
        assert_ne!(crop(1, 2), crop(2, 2));
    }

    #[test]
    fn a_mirror_turns_pixels_and_keeps_their_channels() {
        let mut row = [1, 2, 3, 4, 5, 6];
        mirror(&mut row, 2);
        assert_eq!(row, [4, 5, 6, 1, 2, 3]);
    }
}
