//! Where a face is in a photo, and the square that is kept of it.
//!
//! Detectors box a face from brow to chin. UTKFace shows the whole head: the kept square has one
//! and a half times the box's longer side, around the same middle. Where that would reach beyond
//! the photo it is moved inside, so that nothing is painted that no camera saw; where the photo is
//! too small for that, it is cut at the photo's edge.

use std::fmt;

/// The kept square's side over the box's longer side.
const MARGIN: f64 = 1.5;

/// A face as a table boxes it, in pixels: first column and row, and the width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaceBox {
    left: i32,
    top: i32,
    width: i32,
    height: i32,
}

/// What is kept of a photo, in pixels, inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

/// As a media fragment writes it (W3C, Media Fragments URI 1.0): x,y,width,height.
impl fmt::Display for FaceBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xywh={},{},{},{}", self.left, self.top, self.width, self.height)
    }
}

impl FaceBox {
    /// Between these columns and rows; `None` if that is no area, or a number no picture has.
    pub fn new(left: f64, top: f64, right: f64, bottom: f64) -> Option<Self> {
        const FAR: f64 = 1e6;
        let sides = [left, top, right, bottom].map(f64::round);
        if sides.iter().any(|side| !(-FAR..=FAR).contains(side)) {
            return None;
        }
        let [left, top, right, bottom] = sides.map(|side| side as i32);
        (right > left && bottom > top).then_some(Self {
            left,
            top,
            width: right - left,
            height: bottom - top,
        })
    }

    /// What to keep of a photo of this size; `None` if the face's middle is not in it.
    pub fn crop(&self, width: u32, height: u32) -> Option<Crop> {
        let side = f64::from(self.width.max(self.height)) * MARGIN;
        let (left, columns) = part(self.left, self.width, side, width)?;
        let (top, rows) = part(self.top, self.height, side, height)?;
        Some(Crop { left, top, width: columns, height: rows })
    }
}

/// First pixel and number of pixels of the kept square along one side of the photo.
fn part(first: i32, length: i32, side: f64, of: u32) -> Option<(u32, u32)> {
    let middle = f64::from(first) + f64::from(length) / 2.0;
    let inside = (0.0..f64::from(of)).contains(&middle);
    let kept = side.round().min(f64::from(of));
    let from = (middle - kept / 2.0).round().clamp(0.0, f64::from(of) - kept);
    inside.then_some((from as u32, kept as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(sides: [f64; 4], width: u32, height: u32) -> Option<[u32; 4]> {
        let [left, top, right, bottom] = sides;
        let crop = FaceBox::new(left, top, right, bottom)?.crop(width, height)?;
        Some([crop.left, crop.top, crop.width, crop.height])
    }

    #[test]
    fn the_square_is_around_the_face() {
        assert_eq!(crop([100.0, 100.0, 140.0, 160.0], 400, 300), Some([75, 85, 90, 90]));
    }

    #[test]
    fn it_is_moved_inside_and_cut_where_that_is_not_enough() {
        assert_eq!(crop([0.0, 5.0, 40.0, 45.0], 400, 300), Some([0, 0, 60, 60]));
        assert_eq!(crop([360.0, 260.0, 400.0, 300.0], 400, 300), Some([340, 240, 60, 60]));
        assert_eq!(crop([10.0, 10.0, 90.0, 90.0], 200, 100), Some([0, 0, 120, 100]));
        // Detectors may put a corner outside.
        assert_eq!(crop([-10.0, -10.0, 30.0, 30.0], 400, 300), Some([0, 0, 60, 60]));
    }

    #[test]
    fn what_is_no_box_in_the_photo_is_refused() {
        for sides in [
            [10.0, 10.0, 10.0, 20.0],
            [30.0, 10.0, 10.0, 20.0],
            [f64::NAN, 0.0, 10.0, 10.0],
            [0.0, 0.0, 1e12, 10.0],
            [500.0, 10.0, 540.0, 50.0],
        ] {
            assert_eq!(crop(sides, 400, 300), None, "{sides:?}");
        }
        let face = FaceBox::new(10.2, 20.0, 30.0, 45.0).unwrap();
        assert_eq!(face.to_string(), "xywh=10,20,20,25");
    }
}
