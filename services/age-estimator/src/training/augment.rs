//! Random changes of a training face: where and how it is cut out, whether it is mirrored, its
//! tones and colours, what of it is hidden. A pure function of seed, epoch and face, so that a
//! resumed run repeats what the interrupted one did.

use agespan_models::InputSpec;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::spec::Augmentation;

/// Sides of an erased rectangle, as shares of the crop's.
const ERASED: std::ops::RangeInclusive<f32> = 0.1..=0.4;

/// The generator for one face in one epoch.
pub(super) fn generator(seed: u64, epoch: u32, face: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&u64::from(epoch).to_le_bytes());
    key[16..24].copy_from_slice(&(face as u64).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Writes a changed crop of `pixels` to `target`.
pub(super) fn augment(
    pixels: &[u8],
    input: &InputSpec,
    changes: &Augmentation,
    random: &mut impl Rng,
    target: &mut [u8],
) {
    cut_out(pixels, input, changes, random, target);
    let side = input.crop as usize;
    if random.random() {
        mirror(target, side);
    }
    let brightness = either_way(changes.tone, random) + 1.0;
    let contrast = either_way(changes.tone, random) + 1.0;
    let table = tone_table(brightness, contrast, mean(target));
    for value in &mut *target {
        *value = table[*value as usize];
    }
    if random.random::<f32>() < changes.fade {
        fade(target, random.random());
    }
    if random.random::<f32>() < changes.erase {
        erase(target, side, random);
    }
}

/// A number between -`most` and `most`.
fn either_way(most: f32, random: &mut impl Rng) -> f32 {
    random.random_range(-most..=most)
}

/// A square that is turned, of another size, or only in another place.
fn cut_out(
    pixels: &[u8],
    input: &InputSpec,
    changes: &Augmentation,
    random: &mut impl Rng,
    target: &mut [u8],
) {
    if changes.zoom == 0.0 && changes.turn == 0.0 {
        let room = input.resize - input.crop;
        let (left, top) = (random.random_range(0..=room), random.random_range(0..=room));
        return input.copy_crop(pixels, left, top, target);
    }
    let (image, crop) = (input.resize as f32, input.crop as f32);
    let zoom = (1.0 + either_way(changes.zoom, random)).min(image / crop);
    let room = (image - crop * zoom) / 2.0;
    let center = |random: &mut _| image / 2.0 + either_way(room, random);
    let (x, y) = (center(random), center(random));
    let (sin, cos) = either_way(changes.turn, random).to_radians().sin_cos();
    for (row, line) in target.chunks_exact_mut(input.crop as usize * 3).enumerate() {
        let down = (row as f32 + 0.5 - crop / 2.0) * zoom;
        let (line, _) = line.as_chunks_mut::<3>();
        for (column, pixel) in line.iter_mut().enumerate() {
            let right = (column as f32 + 0.5 - crop / 2.0) * zoom;
            let place = (x + right * cos - down * sin - 0.5, y + right * sin + down * cos - 0.5);
            *pixel = sample(pixels, input.resize as usize, place);
        }
    }
}

/// Bilinear between the four pixels about a place; beyond the edge lies the edge.
fn sample(pixels: &[u8], side: usize, (x, y): (f32, f32)) -> [u8; 3] {
    let last = (side - 1) as f32;
    let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(side - 1), (top + 1).min(side - 1));
    let (across, down) = (x - left as f32, y - top as f32);
    std::array::from_fn(|channel| {
        let at = |x: usize, y: usize| f32::from(pixels[(y * side + x) * 3 + channel]);
        let upper = at(left, top) + (at(right, top) - at(left, top)) * across;
        let lower = at(left, bottom) + (at(right, bottom) - at(left, bottom)) * across;
        (upper + (lower - upper) * down).round() as u8
    })
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

/// Moves each pixel a share of the way to its luminance (ITU-R BT.601).
fn fade(pixels: &mut [u8], share: f32) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        let [red, green, blue] = pixel.map(f32::from);
        let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
        *pixel = pixel.map(|value| (f32::from(value) * (1.0 - share) + grey * share).round() as u8);
    }
}

/// Fills a rectangle with one random colour.
fn erase(pixels: &mut [u8], side: usize, random: &mut impl Rng) {
    let colour: [u8; 3] = random.random();
    let mut stretch = || {
        let length = (random.random_range(ERASED) * side as f32) as usize;
        let start = random.random_range(0..=side - length);
        start..start + length
    };
    let (rows, columns) = (stretch(), stretch());
    for row in rows {
        let line = &mut pixels[row * side * 3..][..side * 3];
        let (line, _) = line.as_chunks_mut::<3>();
        line[columns.clone()].fill(colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: InputSpec = InputSpec { resize: 40, crop: 32, mean: [0.5; 3], std: [0.5; 3] };
    const ALL: Augmentation =
        Augmentation { zoom: 0.15, turn: 10.0, tone: 0.2, fade: 1.0, erase: 1.0 };

    fn crop(changes: Augmentation, seed: u64, epoch: u32) -> Vec<u8> {
        let pixels: Vec<u8> = (0..INPUT.image_bytes()).map(|i| (i * 31 % 251) as u8).collect();
        let mut target = vec![0; INPUT.crop_bytes()];
        augment(&pixels, &INPUT, &changes, &mut generator(seed, epoch, 3), &mut target);
        target
    }

    #[test]
    fn the_same_seed_and_epoch_give_the_same_crop_and_others_give_another() {
        for changes in [Augmentation::default(), ALL] {
            assert_eq!(crop(changes, 1, 2), crop(changes, 1, 2));
            assert_ne!(crop(changes, 1, 2), crop(changes, 1, 3));
            assert_ne!(crop(changes, 1, 2), crop(changes, 2, 2));
        }
    }

    #[test]
    fn a_mirror_turns_pixels_and_keeps_their_channels() {
        let mut row = [1, 2, 3, 4, 5, 6];
        mirror(&mut row, 2);
        assert_eq!(row, [4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn between_two_pixels_lies_their_mean_and_beyond_the_edge_the_edge() {
        let pixels = [0, 0, 0, 100, 100, 100, 50, 50, 50, 150, 150, 150];
        assert_eq!(sample(&pixels, 2, (0.5, 0.0)), [50; 3]);
        assert_eq!(sample(&pixels, 2, (0.5, 0.5)), [75; 3]);
        assert_eq!(sample(&pixels, 2, (9.0, -3.0)), [100; 3]);
    }

    #[test]
    fn a_faded_face_is_grey_and_an_erased_one_has_a_rectangle_of_one_colour() {
        let mut pixels = vec![200, 100, 0];
        fade(&mut pixels, 1.0);
        assert!(pixels.iter().all(|&value| value == 119), "{pixels:?}");
        let mut pixels = vec![7; 32 * 32 * 3];
        erase(&mut pixels, 32, &mut generator(0, 0, 0));
        let changed = pixels.as_chunks::<3>().0.iter().filter(|pixel| **pixel != [7; 3]).count();
        assert!((9..=12 * 12).contains(&changed), "{changed}");
    }
}
