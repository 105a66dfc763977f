//! The thread that owns the detector.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use agespan_imaging::{Photo, Point, RgbImage, Similarity, cut, fit};
use agespan_models::{DetectError, DetectSpec, Detection, Mtcnn, WeightsError};
use tokio::sync::{OnceCell, mpsc, oneshot};

/// A photo is looked at with so many pixels on its longer side at most. A quarter of a
/// twelve-megapixel photo is just above it; the smallest face that is found is a fiftieth of it.
pub(super) const LOOKED_AT: u32 = 1000;

/// Side of the picture in which one face is looked at again, in pixels, and the most such faces.
const AGAIN_SIDE: u32 = 400;
const LOOKED_AT_AGAIN: usize = 4;

/// Photos that wait for the detector. Few do: each of them is decoded, so the decoder's permits
/// bound them first.
const QUEUE: usize = 4;

/// Why no faces could be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinderError {
    /// The weights cannot be read.
    #[error(
        "faces cannot be found: the detector's weights {} cannot be read ({source}); run `make \
         setup`, or name their folder with --first-weights; the whole image can be asked for",
        path.display()
    )]
    Missing {
        /// Where they should be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("faces cannot be found: {} does not hold the detector's weights ({source}); remove it \
             and run `make setup`", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeightsError,
    },
    /// The detector failed on this photo.
    #[error("the face detector failed on this image")]
    Failed,
    /// The thread is gone.
    #[error("the face detector's thread has ended")]
    Ended,
}

struct Work {
    photo: Arc<Photo>,
    answer: oneshot::Sender<Option<Vec<Detection>>>,
}

/// Finds faces, on a thread that is started when the first photo needs it: who sends faces that are
/// cut already needs no detector.
#[derive(Debug)]
pub struct FaceFinder {
    weights: PathBuf,
    queue: OnceCell<mpsc::Sender<Work>>,
}

impl FaceFinder {
    /// With the weights in this folder.
    pub fn new(folder: &Path) -> Self {
        Self { weights: folder.join(Mtcnn::WEIGHTS), queue: OnceCell::new() }
    }

    /// The faces of a photo, the largest first, in pixels of the whole photo.
    ///
    /// # Errors
    /// When there is no detector, or it failed.
    pub async fn find(&self, photo: Arc<Photo>) -> Result<Vec<Detection>, FinderError> {
        let queue = self.queue.get_or_try_init(|| start(&self.weights)).await?;
        let (answer, found) = oneshot::channel();
        queue.send(Work { photo, answer }).await.map_err(|_| FinderError::Ended)?;
        found.await.map_err(|_| FinderError::Ended)?.ok_or(FinderError::Failed)
    }
}

async fn start(path: &Path) -> Result<mpsc::Sender<Work>, FinderError> {
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|source| FinderError::Missing { path: path.to_owned(), source })?;
    let detector = Mtcnn::new(&bytes, DetectSpec::default())
        .map_err(|source| FinderError::Weights { path: path.to_owned(), source })?;
    let (sender, mut receiver) = mpsc::channel::<Work>(QUEUE);
    thread::spawn(move || {
        while let Some(work) = receiver.blocking_recv() {
            // Whoever has gone away is not worked for.
            if work.answer.is_closed() {
                continue;
            }
            let found = catch_unwind(AssertUnwindSafe(|| find(&detector, &work.photo)));
            let found = found.map_err(|_| tracing::error!("the face detector panicked"));
            let found = found.and_then(|found| {
                found.map_err(|error| tracing::error!(%error, "the face detector failed"))
            });
            let _ = work.answer.send(found.ok());
        }
    });
    Ok(sender)
}

/// Looks at a photo of at most [`LOOKED_AT`] pixels a side.
fn find(detector: &Mtcnn, photo: &Photo) -> Result<Vec<Detection>, DetectError> {
    let picture = fit(&photo.image, LOOKED_AT);
    let mut found = detector.detect(picture.as_raw(), picture.width(), picture.height())?;
    for face in found.iter_mut().filter(|face| sticks_out(face, &picture)).take(LOOKED_AT_AGAIN) {
        if let Some(better) = look_again(detector, &picture, face)? {
            *face = better;
        }
    }
    let ratio = [
        f64::from(photo.width) / f64::from(picture.width()),
        f64::from(photo.height) / f64::from(picture.height()),
    ];
    // Whole numbers are the middles of pixels: what is scaled is half a pixel further on.
    let whole = |point: Point| [0, 1].map(|axis| (point[axis] + 0.5) * ratio[axis] - 0.5);
    found.iter_mut().for_each(|face| *face = moved(face, whole));
    found.sort_by(|left, right| right.area().total_cmp(&left.area()));
    Ok(found)
}

/// Whether a face reaches over the picture's edge by more than a twentieth of its side.
fn sticks_out(face: &Detection, picture: &RgbImage) -> bool {
    let [left, top, right, bottom] = face.place;
    let (beside, above) = ((right - left) / 20.0, (bottom - top) / 20.0);
    left < -beside
        || top < -above
        || right > picture.width() as f32 + beside
        || bottom > picture.height() as f32 + above
}

/// A face that fills the picture is placed badly: the detector has seen faces with something around
/// them, and is up to a tenth of the face off without. So it is shown such a face once more, twice
/// as far away, the picture's edges going on all around it.
fn look_again(
    detector: &Mtcnn,
    picture: &RgbImage,
    face: &Detection,
) -> Result<Option<Detection>, DetectError> {
    let [left, top, right, bottom] = face.place.map(f64::from);
    let (middle, reach) =
        ([(left + right) / 2.0, (top + bottom) / 2.0], (right - left).max(bottom - top));
    let corners = [-reach, reach].map(|reach| middle.map(|at| at + reach));
    let last = f64::from(AGAIN_SIDE - 1);
    let Some(place) = Similarity::between(&corners, &[[0.0; 2], [last; 2]]) else {
        return Ok(None);
    };
    let square = cut(picture, &place, AGAIN_SIDE);
    let found = detector.detect(square.as_raw(), AGAIN_SIDE, AGAIN_SIDE)?;
    let back = place.inverse();
    let mut found = found.iter().map(|face| moved(face, |point| back.apply(point)));
    // Another face at the edge is not the one that was to be placed.
    let within = |face: &Detection| {
        let [other_left, other_top, other_right, other_bottom] = face.place.map(f64::from);
        let other = [(other_left + other_right) / 2.0, (other_top + other_bottom) / 2.0];
        (0..2).all(|axis| (other[axis] - middle[axis]).abs() < reach / 4.0)
    };
    Ok(found.find(within))
}

fn moved(face: &Detection, place: impl Fn(Point) -> Point) -> Detection {
    let point = |x: f32, y: f32| place([x.into(), y.into()]).map(|at| at as f32);
    let [left, top, right, bottom] = face.place;
    let ([left, top], [right, bottom]) = (point(left, top), point(right, bottom));
    let landmarks = face.landmarks.map(|[x, y]| point(x, y));
    Detection { place: [left, top, right, bottom], landmarks, ..*face }
}
