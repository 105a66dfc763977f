//! Turning, scaling and moving a part of a picture to where it is wanted.

use image::{Rgb, RgbImage};

use crate::resize::{Part, resized};

/// x and y in pixels; whole numbers are the middles of pixels.
pub type Point = [f64; 2];

/// A similarity: points are turned, scaled by one factor and moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// cos and sin of the turn, times the scale.
    turn: Point,
    shift: Point,
}

impl Similarity {
    /// The similarity that takes `from` as closely to `to` as one can, by least squares (Umeyama
    /// 1991, IEEE TPAMI 13(4), without reflections; in the plane the solution is one complex
    /// division). None when all of `from` is one point.
    pub fn between<const N: usize>(from: &[Point; N], to: &[Point; N]) -> Option<Self> {
        let (from_middle, to_middle) = (middle(from), middle(to));
        let (mut turn, mut spread) = ([0.0, 0.0], 0.0);
        for (from, to) in from.iter().zip(to) {
            let [x, y] = [from[0] - from_middle[0], from[1] - from_middle[1]];
            let [u, v] = [to[0] - to_middle[0], to[1] - to_middle[1]];
            turn[0] += x * u + y * v;
            turn[1] += x * v - y * u;
            spread += x * x + y * y;
        }
        let turn = turn.map(|part| part / spread);
        let turned = Self { turn, shift: [0.0, 0.0] }.apply(from_middle);
        let found = Self { turn, shift: [to_middle[0] - turned[0], to_middle[1] - turned[1]] };
        (found.scale().is_normal() && found.shift.iter().all(|part| part.is_finite()))
            .then_some(found)
    }

    /// Where a point goes.
    pub fn apply(&self, [x, y]: Point) -> Point {
        let [cos, sin] = self.turn;
        [cos * x - sin * y + self.shift[0], sin * x + cos * y + self.shift[1]]
    }

    /// How much longer a line becomes.
    pub fn scale(&self) -> f64 {
        self.turn[0].hypot(self.turn[1])
    }

    /// The way back.
    pub fn inverse(&self) -> Self {
        let square = self.scale().powi(2);
        let turn = [self.turn[0] / square, -self.turn[1] / square];
        let back = Self { turn, shift: [0.0, 0.0] }.apply(self.shift);
        Self { turn, shift: back.map(|part| -part) }
    }
}

fn middle(points: &[Point]) -> Point {
    let count = points.len() as f64;
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / count)
}

/// The square of `side` pixels whose content `place` takes from the picture: what of the picture
/// comes to lie in it, turned, scaled and moved.
///
/// Shrinking averages: the part that is needed is resized first, by [`square`](crate::square)'s
/// filter, and then sampled bilinearly at about its own scale. Beyond the picture its edge pixels
/// go on.
pub fn cut(image: &RgbImage, place: &Similarity, side: u32) -> RgbImage {
    let back = place.inverse();
    let Some(part) = needed(image, &back, side) else { return RgbImage::new(side, side) };
    let shrunk = |side: u32| (f64::from(side) / back.scale().max(1.0)).ceil() as u32;
    let (width, height) = (shrunk(part.width), shrunk(part.height));
    let Some(source) = resized(image, part, width, height) else {
        return RgbImage::new(side, side);
    };
    let ratio =
        [f64::from(width) / f64::from(part.width), f64::from(height) / f64::from(part.height)];
    let origin = [f64::from(part.left), f64::from(part.top)];
    RgbImage::from_fn(side, side, |x, y| {
        let point = back.apply([f64::from(x), f64::from(y)]);
        // Scaled about the pixels' corners, which lie half a pixel before their middles.
        let inside = [0, 1].map(|axis| (point[axis] - origin[axis] + 0.5) * ratio[axis] - 0.5);
        bilinear(&source, inside)
    })
}

/// The part of the picture that lies under the square, and some pixels more for the filters. None
/// where the square lies wholly beside the picture.
fn needed(image: &RgbImage, back: &Similarity, side: u32) -> Option<Part> {
    let last = f64::from(side.checked_sub(1)?);
    let corners = [[0.0, 0.0], [last, 0.0], [0.0, last], [last, last]].map(|c| back.apply(c));
    let margin = 2.0 * back.scale().max(1.0);
    let range = |axis: usize, length: u32| {
        let along = corners.map(|corner| corner[axis]);
        let first = along.into_iter().fold(f64::INFINITY, f64::min) - margin;
        let last = along.into_iter().fold(f64::NEG_INFINITY, f64::max) + margin + 1.0;
        // Within the picture, so the casts lose nothing.
        let within = |at: f64| at.clamp(0.0, f64::from(length));
        (within(first.floor()) as u32, within(last.ceil()) as u32)
    };
    let ((left, right), (top, bottom)) = (range(0, image.width()), range(1, image.height()));
    (right > left && bottom > top).then(|| Part {
        left,
        top,
        width: right - left,
        height: bottom - top,
    })
}

fn bilinear(image: &RgbImage, [x, y]: Point) -> Rgb<u8> {
    let pixel = |x: f64, y: f64| {
        let within = |at: f64, length: u32| at.clamp(0.0, f64::from(length - 1)) as u32;
        image[(within(x, image.width()), within(y, image.height()))].0.map(f64::from)
    };
    let (left, top) = (x.floor(), y.floor());
    let (right, bottom) = (x - left, y - top);
    let (a, b) = (pixel(left, top), pixel(left + 1.0, top));
    let (c, d) = (pixel(left, top + 1.0), pixel(left + 1.0, top + 1.0));
    Rgb([0, 1, 2].map(|channel| {
        let upper = a[channel] * (1.0 - right) + b[channel] * right;
        let lower = c[channel] * (1.0 - right) + d[channel] * right;
        // A mean of numbers up to 255.
        (upper * (1.0 - bottom) + lower * bottom).round() as u8
    }))
}
