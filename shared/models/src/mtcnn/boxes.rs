//! Boxes between the networks: what is kept, moved and cut. Plain numbers, no tensors.
//!
//! Coordinates are as in the original code, which counted pixels from 1 and took both ends of a box
//! as inside it; the ones that are added and left out below follow from that. They are in 32 bits
//! because the reference's are: a candidate on the edge of a threshold then falls to the same side.

use std::cmp::Ordering;

/// A box that may hold a face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// Left, top, right, bottom in pixels.
    pub(super) place: [f32; 4],
    /// Probability that it is a face.
    pub(super) score: f32,
    /// What the network would add to each side, in widths and heights of the box.
    pub(super) correction: [f32; 4],
}

/// What two boxes share is measured against their union or the smaller of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Against {
    Union,
    Smaller,
}

impl AsRef<Candidate> for Candidate {
    fn as_ref(&self) -> &Candidate {
        self
    }
}

impl Candidate {
    fn width(&self) -> f32 {
        self.place[2] - self.place[0]
    }

    fn height(&self) -> f32 {
        self.place[3] - self.place[1]
    }

    /// Moves each side by its correction, times the sides plus `one`.
    pub(super) fn corrected(mut self, one: f32) -> Self {
        let sides = [self.width() + one, self.height() + one];
        for (index, (side, correction)) in self.place.iter_mut().zip(self.correction).enumerate() {
            *side += correction * sides[index % 2];
        }
        self
    }

    /// The square around the same middle whose side is the longer one.
    pub(super) fn squared(mut self) -> Self {
        let (width, height) = (self.width(), self.height());
        let side = width.max(height);
        self.place[0] = self.place[0] + width * 0.5 - side * 0.5;
        self.place[1] = self.place[1] + height * 0.5 - side * 0.5;
        self.place[2] = self.place[0] + side;
        self.place[3] = self.place[1] + side;
        self
    }

    /// The pixels of an image that lie within: first column and row, number of columns and rows.
    /// None where nothing does.
    pub(super) fn within(&self, width: i64, height: i64) -> Option<[i64; 4]> {
        let [left, top, right, bottom] = self.place.map(|side| side as i64);
        let (left, top) = (left.max(1) - 1, top.max(1) - 1);
        let (right, bottom) = (right.min(width), bottom.min(height));
        (right > left && bottom > top).then(|| [left, top, right - left, bottom - top])
    }
}

/// Non-maximum suppression: what was found by falling score, without that which shares more than
/// `most` with something better.
pub(super) fn suppress<T: AsRef<Candidate>>(
    mut found: Vec<T>,
    most: f32,
    against: Against,
) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    if against == Against::Smaller {
        // Scores near 1 are often equal in 32 bits. The reference takes the first of equals where it
        // measures against the union, and the last here.
        found.reverse();
    }
    found.sort_by(by_falling_score);
    for one in found {
        if kept.iter().all(|better| shared(better.as_ref(), one.as_ref(), against) <= most) {
            kept.push(one);
        }
    }
    kept
}

fn by_falling_score<T: AsRef<Candidate>>(left: &T, right: &T) -> Ordering {
    right.as_ref().score.total_cmp(&left.as_ref().score)
}

fn shared(left: &Candidate, right: &Candidate, against: Against) -> f32 {
    // The original counts both ends in here, torchvision's does not; so does the reference.
    let one = if against == Against::Smaller { 1.0 } else { 0.0 };
    let area = |candidate: &Candidate| (candidate.width() + one) * (candidate.height() + one);
    let overlap = |axis: usize| {
        let end = left.place[axis + 2].min(right.place[axis + 2]);
        (end - left.place[axis].max(right.place[axis]) + one).max(0.0)
    };
    let (inside, left, right) = (overlap(0) * overlap(1), area(left), area(right));
    match against {
        Against::Union => inside / (left + right - inside),
        Against::Smaller => inside / left.min(right),
    }
}

/// The best `most` by score; what a picture can cost is bounded by it.
pub(super) fn best(mut candidates: Vec<Candidate>, most: usize) -> Vec<Candidate> {
    if candidates.len() > most {
        candidates.sort_by(by_falling_score);
        candidates.truncate(most);
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(place: [f32; 4], score: f32) -> Candidate {
        Candidate { place, score, correction: [0.0; 4] }
    }

    #[test]
    fn of_two_that_overlap_the_better_stays() {
        let (worse, better) =
            (candidate([0.0, 0.0, 10.0, 10.0], 0.7), candidate([1.0, 0.0, 11.0, 10.0], 0.9));
        let apart = candidate([20.0, 0.0, 30.0, 10.0], 0.6);
        let kept = suppress(vec![worse, apart, better], 0.5, Against::Union);
        assert_eq!(kept, [better, apart]);
        // 90 of 110 is the share of the union.
        assert_eq!(suppress(vec![worse, better], 0.82, Against::Union).len(), 2);
    }

    #[test]
    fn a_small_face_in_a_large_one_is_suppressed_against_the_smaller() {
        let (large, small) =
            (candidate([0.0, 0.0, 100.0, 100.0], 0.9), candidate([40.0, 40.0, 60.0, 60.0], 0.8));
        assert_eq!(suppress(vec![large, small], 0.7, Against::Union).len(), 2);
        assert_eq!(suppress(vec![large, small], 0.7, Against::Smaller), [large]);
    }

    #[test]
    fn a_box_is_squared_around_its_middle_and_cut_at_the_edges() {
        let tall = candidate([10.0, -5.0, 20.0, 25.0], 0.9).squared();
        assert_eq!(tall.place, [0.0, -5.0, 30.0, 25.0]);
        assert_eq!(tall.within(20, 20), Some([0, 0, 20, 20]));
        assert_eq!(candidate([-9.0, 0.0, -1.0, 8.0], 0.9).within(20, 20), None);
        assert_eq!(candidate([30.0, 0.0, 40.0, 8.0], 0.9).within(20, 20), None);
        let broken = candidate([f32::NAN, f32::NEG_INFINITY, f32::INFINITY, f32::NAN], 0.9);
        assert_eq!(broken.within(20, 20), None);
    }
}
