//! What the networks look at: the image at many scales, and parts of it.

use tch::{TchError, Tensor};

use super::boxes::Candidate;
use super::net::Net;

/// Side of what the first network looks at, in pixels, and the step between two such squares.
const WINDOW: f64 = 12.0;
const STRIDE: f32 = 2.0;
/// Each scale of the pyramid is so much of the one before: half the area.
const PYRAMID: f64 = 0.709;
/// Parts that the second and third network look at together: enough to fill the cores, few enough
/// that the memory stays small.
const BATCH: usize = 128;

/// An image whose faces are sought.
pub(super) struct Picture {
    /// `[1, 3, height, width]`, 0 to 255.
    pub(super) image: Tensor,
    pub(super) width: i64,
    pub(super) height: i64,
}

/// What a network says of a candidate, in the order of its heads.
pub(super) struct Look {
    looked_at: Candidate,
    said: Vec<f32>,
}

impl Look {
    pub(super) fn candidate(self) -> Candidate {
        let said = &self.said;
        let correction = [said[2], said[3], said[4], said[5]];
        Candidate { score: said[1], correction, ..self.looked_at }
    }

    /// The heads give all x, then all y, as shares of the box that was looked at.
    pub(super) fn landmarks(&self) -> [[f32; 2]; 5] {
        let [left, top, right, bottom] = self.looked_at.place;
        std::array::from_fn(|point| {
            let (x, y) = (self.said[6 + point], self.said[11 + point]);
            [(right - left + 1.0) * x + left - 1.0, (bottom - top + 1.0) * y + top - 1.0]
        })
    }
}

impl Picture {
    /// Shows each candidate to a network, as a square of `side` pixels. Candidates of which nothing
    /// lies within the image are left out.
    pub(super) fn look(
        &self,
        net: &Net,
        side: i64,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Look>, TchError> {
        let mut looks = Vec::with_capacity(candidates.len());
        for batch in candidates.chunks(BATCH) {
            let (mut shown, mut crops) = (Vec::new(), Vec::new());
            for candidate in batch {
                if let Some(part) = candidate.within(self.width, self.height) {
                    crops.push(self.crop(part, side)?);
                    shown.push(*candidate);
                }
            }
            if crops.is_empty() {
                continue;
            }
            let said = net.forward(&Tensor::f_cat(&crops, 0)?)?;
            let numbers = numbers(&said)?;
            let rows = numbers.chunks_exact(numbers.len() / shown.len());
            let look =
                |(looked_at, said): (Candidate, &[f32])| Look { looked_at, said: said.to_vec() };
            looks.extend(shown.into_iter().zip(rows).map(look));
        }
        Ok(looks)
    }

    fn crop(&self, [left, top, width, height]: [i64; 4], side: i64) -> Result<Tensor, TchError> {
        let part = self.image.f_narrow(2, top, height)?.f_narrow(3, left, width)?;
        resampled(&part, [side, side])
    }
}

/// The pyramid's scales, the largest first. The smallest still holds one window.
pub(super) fn scales(shorter: i64, min_face: u32) -> impl Iterator<Item = f64> {
    let first = WINDOW / f64::from(min_face.max(1));
    let mut left = shorter as f64 * first;
    let mut scale = first;
    std::iter::from_fn(move || {
        let this = (left >= WINDOW).then_some(scale);
        left *= PYRAMID;
        scale *= PYRAMID;
        this
    })
}

/// Resized to (height, width) by the mean over each new pixel's area, and scaled for the networks.
pub(super) fn resampled(image: &Tensor, size: [i64; 2]) -> Result<Tensor, TchError> {
    image.f_adaptive_avg_pool2d(size)?.f_sub_scalar(127.5)?.f_mul_scalar(0.0078125)
}

/// The squares that the first network takes for faces, in pixels of the whole image.
pub(super) fn proposals(
    said: &Tensor,
    scale: f32,
    threshold: f32,
) -> Result<Vec<Candidate>, TchError> {
    let size = said.size();
    let (rows, columns) = (size[2] as usize, size[3] as usize);
    let plane = rows * columns;
    let said = numbers(said)?;
    let at = |channel: usize, place: usize| said[channel * plane + place];
    let place = |place: usize| {
        let corner = |index: usize, far: f32| ((STRIDE * index as f32 + far) / scale).floor();
        let (x, y) = (place % columns, place / columns);
        Candidate {
            place: [corner(x, 1.0), corner(y, 1.0), corner(x, 12.0), corner(y, 12.0)],
            score: at(1, place),
            correction: [2, 3, 4, 5].map(|channel| at(channel, place)),
        }
    };
    Ok((0..plane).filter(|&index| at(1, index) >= threshold).map(place).collect())
}

/// A tensor's numbers in the order of its axes.
fn numbers(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let dense = tensor.f_contiguous()?;
    let mut numbers = vec![0f32; dense.numel()];
    dense.f_copy_data(&mut numbers, dense.numel())?;
    Ok(numbers)
}
