//! Faces in photos: found, judged, and cut as the model has seen faces.
//!
//! * [`FaceFinder`]: the thread that owns the detector.
//! * [`chip`]: where a face's eyes, nose and mouth belong in the model's picture.
//! * [`quality`]: what makes an estimate doubtful.
//!
//! A large photo is looked at reduced, so that it costs little more than a small one; the faces are
//! then cut from as many pixels as the photo has of them.

pub mod chip;
mod finder;
pub mod quality;

use std::sync::Arc;

use agespan_imaging::{Detail, ImagingError, Photo, Point, square};
use agespan_models::{Detection, InputSpec};
use bytes::Bytes;

pub use finder::{FaceFinder, FinderError};
use quality::{Issue, Quality};

use crate::Decoder;
use crate::decoder::blocking;
pub use crate::decoder::whole;

/// The most faces of one photo that are estimated, the largest ones.
pub const MAX_FACES: usize = 64;

/// Which faces of a photo are estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selection {
    /// The photo is one face already.
    #[default]
    WholeImage,
    /// The largest that is found.
    Largest,
    /// All that are found, up to [`MAX_FACES`].
    All,
}

/// Which faces, and how good they have to be.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Which.
    pub faces: Selection,
    /// A face with one of these issues is not estimated.
    pub refuse: Vec<Issue>,
}

/// A rectangle in pixels of the upright photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of its left edge.
    pub left: u32,
    /// Of its top edge.
    pub top: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// A face that was found in a photo.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where, as far as it is within the photo.
    pub place: Place,
    /// The detector's probability that it is one.
    pub score: f64,
    /// Eyes, nose, corners of the mouth, left before right, in pixels of the upright photo.
    pub landmarks: [Point; 5],
    /// How good a picture of a face it is.
    pub quality: Quality,
}

/// Why a photo has no face to estimate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaceError {
    /// The photo cannot be used.
    #[error(transparent)]
    Image(#[from] ImagingError),
    /// The detector did not answer.
    #[error(transparent)]
    Finder(#[from] FinderError),
    /// There is none.
    #[error(
        "no face was found in the photo; send one in which a face is larger or seen more from \
             the front, or ask for the whole image if it is one face"
    )]
    NoFace,
    /// They are all of a quality that is refused.
    #[error("no face in the photo is as good as the request asks; the largest is {}; send a better \
             photo, or refuse less", .0.describe())]
    LowQuality(Quality),
}

/// What the model is to look at: RGB rows of its crop.
#[derive(Clone, Debug)]
pub(crate) struct Crop {
    pub(crate) pixels: Vec<u8>,
    pub(crate) place: Place,
    /// None when the photo is one face.
    pub(crate) found: Option<Found>,
}

/// What was seen in a photo.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The faces to estimate, the largest first.
    pub(crate) crops: Vec<Crop>,
    /// Those that are not good enough.
    pub(crate) refused: Vec<Found>,
    /// How many faces there are in all.
    pub(crate) count: usize,
}

/// Looks for faces in photos.
#[derive(Debug)]
pub struct Faces {
    decoder: Decoder,
    finder: FaceFinder,
}

impl Faces {
    /// With these parts.
    pub fn new(decoder: Decoder, finder: FaceFinder) -> Self {
        Self { decoder, finder }
    }

    /// The faces of a photo that are wanted, as the model has to be given them.
    pub(crate) async fn look(
        &self,
        image: Bytes,
        input: InputSpec,
        wanted: &Wanted,
    ) -> Result<Seen, FaceError> {
        // Held until the photo is let go of.
        let _permit = self.decoder.permit().await;
        if wanted.faces == Selection::WholeImage {
            return self.whole(image, input).await;
        }
        let detail = Detail::LongerSide(finder::LOOKED_AT);
        let photo = self.decoder.read(image.clone(), detail, Arc::new).await?;
        let mut found = self.finder.find(photo.clone()).await?;
        let count = found.len();
        let most = if wanted.faces == Selection::Largest { 1 } else { MAX_FACES };
        found.truncate(most);
        let photo = self.sharpest(photo, image, &found).await?;
        let refuse = wanted.refuse.clone();
        let cut = move || {
            let faces: Vec<_> = found.iter().filter_map(|face| cut(&photo, face, &input)).collect();
            sort(faces, &refuse, count)
        };
        blocking(cut).await?
    }

    /// The middle square of the photo.
    async fn whole(&self, image: Bytes, input: InputSpec) -> Result<Seen, FaceError> {
        let look = move |photo: Photo| {
            let pixels = middle(&photo, &input);
            let place = Place { left: 0, top: 0, width: photo.width, height: photo.height };
            Seen { crops: vec![Crop { pixels, place, found: None }], refused: vec![], count: 1 }
        };
        Ok(self.decoder.read(image, whole(&input), look).await?)
    }

    /// The photo with as many pixels as its smallest face needs, decoded once more where it has
    /// them and was reduced too far.
    async fn sharpest(
        &self,
        photo: Arc<Photo>,
        image: Bytes,
        found: &[Detection],
    ) -> Result<Arc<Photo>, FaceError> {
        let places = found.iter().filter_map(|face| chip::place(&points(face)));
        let smallest = places.map(|place| 1.0 / place.scale()).fold(f64::INFINITY, f64::min);
        // Photo pixels for one of the model's: whatever is beyond one can be left out.
        let enough = Detail::OneOf(smallest.clamp(1.0, 8.0) as u32);
        if f64::from(photo.reduction) <= smallest {
            return Ok(photo);
        }
        drop(photo);
        Ok(self.decoder.read(image, enough, Arc::new).await?)
    }
}

/// The middle square of a photo that is one face, as the model is to be given it.
pub fn middle(photo: &Photo, input: &InputSpec) -> Vec<u8> {
    input.center_crop(square(&photo.image, input.resize).as_raw())
}

fn points(face: &Detection) -> [Point; 5] {
    face.landmarks.map(|point| point.map(f64::from))
}

/// A face, judged and cut; none where its landmarks are one point.
fn cut(photo: &Photo, face: &Detection, input: &InputSpec) -> Option<Crop> {
    let landmarks = points(face);
    let chip = chip::cut(photo, &landmarks)?;
    let [left, top, right, bottom] = face.place;
    let size = f64::from((right - left).min(bottom - top));
    let quality = Quality::measure(size, &landmarks, &chip);
    let place = within(face.place, photo.width, photo.height);
    let found = Found { place, score: face.score.into(), landmarks, quality };
    let square = square(&chip, input.resize);
    Some(Crop { pixels: input.center_crop(square.as_raw()), place, found: Some(found) })
}

/// The part of a box that lies in the photo, on whole pixels.
fn within(place: [f32; 4], width: u32, height: u32) -> Place {
    let side = |at: f32, length: u32| at.round().clamp(0.0, length as f32) as u32;
    let [left, top, right, bottom] = place;
    let (left, top) = (side(left, width - 1), side(top, height - 1));
    let (right, bottom) = (side(right, width).max(left + 1), side(bottom, height).max(top + 1));
    Place { left, top, width: right - left, height: bottom - top }
}

/// The faces that are good enough, and those that are not.
fn sort(faces: Vec<Crop>, refuse: &[Issue], count: usize) -> Result<Seen, FaceError> {
    let refused = |face: &Crop| {
        let issues = face.found.iter().flat_map(|found| &found.quality.issues);
        issues.into_iter().any(|issue| refuse.contains(issue))
    };
    let (refused, crops): (Vec<_>, Vec<_>) = faces.into_iter().partition(refused);
    let refused: Vec<Found> = refused.into_iter().filter_map(|face| face.found).collect();
    match (crops.is_empty(), refused.first()) {
        (true, None) => Err(FaceError::NoFace),
        (true, Some(largest)) => Err(FaceError::LowQuality(largest.quality.clone())),
        (false, _) => Ok(Seen { crops, refused, count }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_cut_at_the_photos_edges_and_never_empty() {
        let cut = |place| {
            let Place { left, top, width, height } = within(place, 100, 80);
            [left, top, width, height]
        };
        assert_eq!(cut([-20.0, 10.4, 50.6, 99.0]), [0, 10, 51, 70]);
        assert_eq!(cut([120.0, 90.0, 140.0, 95.0]), [99, 79, 1, 1]);
        assert_eq!(cut([-9.0, -9.0, -4.0, -4.0]), [0, 0, 1, 1]);
        assert_eq!(cut([f32::NAN, f32::NEG_INFINITY, f32::NAN, f32::INFINITY]), [0, 0, 1, 80]);
    }

    fn face(size: f64, issues: &[Issue]) -> Crop {
        let place = Place { left: 0, top: 0, width: size as u32, height: size as u32 };
        let quality = Quality { size, sharpness: 0.2, yaw: 0.0, issues: issues.to_vec() };
        let found = Found { place, score: 1.0, landmarks: [[0.0; 2]; 5], quality };
        Crop { pixels: Vec::new(), place, found: Some(found) }
    }

    #[test]
    fn what_is_refused_is_kept_apart_and_only_refused_faces_are_an_error() {
        let faces = || vec![face(90.0, &[]), face(40.0, &[Issue::Profile, Issue::Blurred])];
        let seen = sort(faces(), &[Issue::Blurred], 7).unwrap();
        assert_eq!((seen.crops.len(), seen.refused.len(), seen.count), (1, 1, 7));
        assert_eq!(sort(faces(), &[Issue::TooSmall], 2).unwrap().crops.len(), 2);
        let only = vec![face(40.0, &[Issue::Profile])];
        let error = sort(only, &[Issue::Profile], 1).unwrap_err();
        assert!(matches!(error, FaceError::LowQuality(_)));
        assert!(error.to_string().contains("in profile"), "{error}");
        assert!(matches!(sort(vec![], &[], 0), Err(FaceError::NoFace)));
    }
}
