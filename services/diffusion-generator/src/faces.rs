//! How many faces a drawn image shows.

use std::fs;
use std::path::{Path, PathBuf};

use agespan_imaging::{RgbImage, Similarity, cut};
use agespan_models::{DetectError, DetectSpec, Mtcnn, WeightsError};

/// What the detector has to say at least for a face to count, 0 to 1. Of 150 chips of UTKFace at 64
/// pixels it finds each at this level; in 80 chips whose sixteenths were shuffled it sees two faces,
/// and six at the 0.7 that its authors took.
const SURE: f32 = 0.9;

/// An image is looked at with so many pixels on its longer side at least: the detector's smallest
/// face has 20.
const SMALLEST: f64 = 200.0;
/// And with so many at most. A drawn face is a good part of its image, and time grows with the area.
const LARGEST: f64 = 640.0;
/// A face that fills the image is found more surely from further away, the image's edges going on
/// all around it for this part of its longer side.
const AROUND: f64 = 0.25;

/// Why faces cannot be counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaceCountError {
    /// The weights cannot be read.
    #[error(
        "faces cannot be counted: the detector's weights {} cannot be read ({source}); run `make \
         setup`, or name their folder with --first-weights; or draw with FACE_CHECK_OFF \
         (--no-face-check)",
        path.display()
    )]
    Missing {
        /// Where they should be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error(
        "faces cannot be counted: {} does not hold the detector's weights ({source}); remove it \
         and run `make setup`",
        path.display()
    )]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeightsError,
    },
    /// The detector failed on an image.
    #[error(transparent)]
    Detect(#[from] DetectError),
}

/// Where the detector's weights are, if they are anywhere.
#[derive(Clone, Debug)]
pub struct Detector {
    path: PathBuf,
}

impl Detector {
    /// In the folder that `make setup` fills.
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(Mtcnn::WEIGHTS) }
    }

    /// Whether there is a file of weights on this machine.
    pub async fn is_there(&self) -> bool {
        tokio::fs::metadata(&self.path).await.is_ok_and(|found| found.is_file())
    }

    fn load(&self) -> Result<Mtcnn, FaceCountError> {
        let path = || self.path.clone();
        let bytes = fs::read(&self.path)
            .map_err(|source| FaceCountError::Missing { path: path(), source })?;
        Mtcnn::new(&bytes, DetectSpec::default())
            .map_err(|source| FaceCountError::Weights { path: path(), source })
    }
}

/// Counts faces, on the thread that owns it. The weights are read when the first image needs them.
#[derive(Debug)]
pub struct FaceCounter {
    detector: Detector,
    loaded: Option<Mtcnn>,
}

impl FaceCounter {
    /// With this detector.
    pub fn new(detector: Detector) -> Self {
        Self { detector, loaded: None }
    }

    /// Reads the weights, where that is not done yet.
    pub(crate) fn ready(&mut self) -> Result<&Mtcnn, FaceCountError> {
        let mtcnn = match self.loaded.take() {
            Some(mtcnn) => mtcnn,
            None => self.detector.load()?,
        };
        Ok(self.loaded.insert(mtcnn))
    }

    /// How many faces an image shows.
    ///
    /// # Errors
    /// When there is no detector, or it fails.
    pub fn count(&mut self, image: &RgbImage) -> Result<u32, FaceCountError> {
        let framed = framed(image);
        let found = self.ready()?.detect(framed.as_raw(), framed.width(), framed.height())?;
        // Bounded by the detector far below what 32 bits hold.
        Ok(found.iter().filter(|face| face.score >= SURE).count() as u32)
    }
}

/// The image in the middle of a square, at a size at which faces are found.
fn framed(image: &RgbImage) -> RgbImage {
    let sides = [image.width(), image.height()].map(f64::from);
    let longer = sides[0].max(sides[1]);
    let scale = longer.clamp(SMALLEST, LARGEST) / longer;
    let side = (longer * scale * (1.0 + 2.0 * AROUND)).round();
    let middle = sides.map(|side| (side - 1.0) / 2.0);
    let target = (side - 1.0) / 2.0;
    let beside = |by: f64, at: [f64; 2]| [at[0] + by, at[1]];
    let from = [middle, beside(1.0, middle)];
    let to = [[target; 2], beside(scale, [target; 2])];
    // Two points that differ always have a similarity.
    Similarity::between(&from, &to).map_or_else(
        || image.clone(),
        // At most one and a half times `LARGEST`.
        |place| cut(image, &place, side as u32),
    )
}

#[cfg(test)]
mod tests {
    use agespan_imaging::{Limits, decode, square};

    use super::*;

    fn portrait(name: &str, side: u32) -> RgbImage {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo/faces");
        let bytes = fs::read(folder.join(name)).unwrap();
        square(&decode(&bytes, &Limits::default()).unwrap(), side)
    }

    /// With the weights that `make setup` fetches.
    #[expect(clippy::disallowed_methods, reason = "tests have no command line")]
    fn counter() -> FaceCounter {
        let folder = std::env::var_os("AGESPAN_FIRST_WEIGHTS").expect("run `make setup`");
        FaceCounter::new(Detector::in_folder(Path::new(&folder)))
    }

    #[test]
    fn faces_are_counted_in_small_images_and_large_ones() {
        let mut counter = counter();
        for side in [64, 512] {
            let (left, right) = (portrait("obama.jpg", side), portrait("collins.jpg", side));
            assert_eq!(counter.count(&left).unwrap(), 1, "{side}");
            assert_eq!(counter.count(&right).unwrap(), 1, "{side}");
            let both = RgbImage::from_fn(2 * side, side, |x, y| {
                if x < side { left[(x, y)] } else { right[(x - side, y)] }
            });
            assert_eq!(counter.count(&both).unwrap(), 2, "{side}");
        }
        assert_eq!(counter.count(&RgbImage::new(64, 64)).unwrap(), 0);
        let noise = RgbImage::from_fn(64, 64, |x, y| {
            let mixed = (x * 0x9e37 + y * 0x85eb).wrapping_mul(0x7feb_352d) >> 8;
            [mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8].into()
        });
        assert_eq!(counter.count(&noise).unwrap(), 0);
    }

    #[test]
    fn an_image_is_framed_by_its_edges_at_a_size_that_suits() {
        let image = RgbImage::from_fn(64, 32, |x, y| [4 * x as u8, 8 * y as u8, 90].into());
        let framed = framed(&image);
        assert_eq!(framed.dimensions(), (300, 300));
        // The corners' colours go on; the middle is the middle.
        assert_eq!(framed[(0, 0)], image[(0, 0)]);
        assert_eq!(framed[(299, 299)], image[(63, 31)]);
        let middle = framed[(150, 150)].0;
        assert!(middle[0].abs_diff(127) <= 3 && middle[1].abs_diff(125) <= 3, "{middle:?}");
        let large = super::framed(&RgbImage::new(2048, 1024));
        assert_eq!(large.dimensions(), (960, 960));
    }

    #[tokio::test]
    async fn what_is_missing_or_something_else_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let detector = Detector::in_folder(folder.path());
        assert!(!detector.is_there().await);
        let image = RgbImage::new(16, 16);
        let error = FaceCounter::new(detector.clone()).count(&image).unwrap_err();
        assert!(matches!(error, FaceCountError::Missing { .. }), "{error:?}");
        assert!(error.to_string().contains("--no-face-check"), "{error}");
        fs::write(folder.path().join(Mtcnn::WEIGHTS), b"something else").unwrap();
        let error = FaceCounter::new(detector).count(&image).unwrap_err();
        assert!(matches!(error, FaceCountError::Weights { .. }), "{error:?}");
    }
}
