//! Resizing as Pillow's bicubic filter does it, to the last bit: networks that were trained on its
//! pixels are asked with its pixels.
//!
//! That is Pillow's up to version 12. Later ones take the columns first where the height shrinks far
//! more than the width, which moves single pixels of such pictures by a few levels.
//!
//! Keys' cubic convolution (1981, IEEE TASSP 29(6)) with a = -0.5, its support widened by the
//! reduction; first the rows, then the columns, 8 bits between the two. Pillow's weights are whole
//! numbers of 22 bits after the point (`Resample.c`), and so are these.

use image::RgbImage;

/// Pixels on each side that the filter reaches when it enlarges.
const SUPPORT: f64 = 2.0;
/// Bits after the point: 32, without 8 for a pixel and 2 for sums beyond one.
const PRECISION: u32 = 32 - 8 - 2;
/// A side above this takes more memory than anyone means.
const LONGEST: u32 = 1 << 16;

/// The image at another size. `None` when a size is zero or above 65,536.
pub fn bicubic(image: &RgbImage, width: u32, height: u32) -> Option<RgbImage> {
    let sides = [image.width(), image.height(), width, height];
    if sides.iter().any(|side| *side == 0 || *side > LONGEST) {
        return None;
    }
    let across = along(image.as_raw(), [image.width(), image.height()], width);
    // Rows and columns change places twice.
    let turned = turn(&across, [width, image.height()]);
    let down = along(&turned, [image.height(), width], height);
    RgbImage::from_raw(width, height, turn(&down, [height, width]))
}

/// What of the source makes a pixel: its first place, and a weight for that and each one after it.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// Resizes each row of an image of these sides to a length.
fn along(rows: &[u8], [width, _]: [u32; 2], length: u32) -> Vec<u8> {
    if width == length {
        return rows.to_vec();
    }
    let taps = taps(width, length);
    let pixel = |row: &[u8], taps: &Taps| {
        [0, 1, 2].map(|channel| {
            let sum = taps.weights.iter().zip(row[taps.first * 3..].chunks_exact(3)).fold(
                1i32 << (PRECISION - 1),
                // Weights add up to one, and their sizes to less than two: it stays within 32 bits.
                |sum, (weight, pixel)| sum + weight * i32::from(pixel[channel]),
            );
            // Clamped, so the cast loses nothing.
            (sum >> PRECISION).clamp(0, 255) as u8
        })
    };
    let resized = rows.chunks_exact(width as usize * 3);
    resized.flat_map(|row| taps.iter().flat_map(move |taps| pixel(row, taps))).collect()
}

fn taps(from: u32, to: u32) -> Vec<Taps> {
    let scale = f64::from(from) / f64::from(to);
    let widening = scale.max(1.0);
    let reach = SUPPORT * widening;
    let of = |place: u32| {
        let middle = (f64::from(place) + 0.5) * scale;
        // Within the source, so the casts lose nothing.
        let first = (middle - reach + 0.5).max(0.0) as usize;
        let end = (middle + reach + 0.5).min(f64::from(from)) as usize;
        let weight = |at: usize| cubic((at as f64 - middle + 0.5) / widening);
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let whole = |weight: &f64| (weight / sum * f64::from(1 << PRECISION)).round() as i32;
        Taps { first, weights: weights.iter().map(whole).collect() }
    };
    (0..to).map(of).collect()
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Rows become columns.
fn turn(pixels: &[u8], [width, height]: [u32; 2]) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let places = (0..width).flat_map(|x| (0..height).map(move |y| (y * width + x) * 3));
    places.flat_map(|place| [0, 1, 2].map(|channel| pixels[place + channel])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_colour_stays_and_no_size_is_no_image() {
        let image = RgbImage::from_pixel(13, 7, [9, 200, 77].into());
        for (width, height) in [(13, 7), (5, 3), (40, 2), (1, 1)] {
            let resized = bicubic(&image, width, height).unwrap();
            assert!(resized.pixels().all(|pixel| pixel.0 == [9, 200, 77]), "{width}x{height}");
        }
        assert!(bicubic(&image, 0, 4).is_none());
        assert!(bicubic(&image, 4, LONGEST + 1).is_none());
        assert!(bicubic(&RgbImage::new(0, 0), 4, 4).is_none());
    }
}
