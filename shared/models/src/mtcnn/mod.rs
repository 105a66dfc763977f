//! MTCNN (Zhang, Zhang, Li and Qiao 2016, arXiv 1604.02878): faces and five landmarks of each, by a
//! cascade of three small networks. The first slides over the image at many scales and proposes
//! boxes; the second and third look closer at what is left and move the boxes' sides; the third
//! also places the eyes, the nose and the corners of the mouth.
//!
//! Weights, thresholds and arithmetic are those of facenet-pytorch 2.6.0, with which `tests/golden`
//! compares. What is added is an upper bound at each step: a picture made for it could otherwise
//! hold a server for as long as its owner likes.

mod boxes;
mod net;
mod picture;

use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor};

use crate::{WeightsError, weights};
use boxes::{Against, Candidate, best, suppress};
use net::Net;
use picture::{Look, Picture, proposals, resampled, scales};

/// How faces are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectSpec {
    /// The smallest face that is looked for, in pixels. Half of it costs four times the time.
    pub min_face: u32,
    /// What each network has to say at least for a candidate to go on.
    pub thresholds: [f32; 3],
    /// The most candidates that are looked at for each scale, by the second and by the third network.
    pub most: [usize; 3],
}

impl Default for DetectSpec {
    /// The package's figures. The bounds are far above what photographs of crowds need.
    fn default() -> Self {
        Self { min_face: 20, thresholds: [0.6, 0.7, 0.7], most: [4000, 2000, 500] }
    }
}

/// A face that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Left, top, right, bottom in pixels; they can lie outside the image.
    pub place: [f32; 4],
    /// Probability that it is a face, 0 to 1.
    pub score: f32,
    /// The eyes, the nose, the corners of the mouth, as x and y in pixels. Of two, the one further
    /// left in an upright image comes first.
    pub landmarks: [[f32; 2]; 5],
}

impl Detection {
    /// Area of the box in pixels.
    pub fn area(&self) -> f32 {
        let [left, top, right, bottom] = self.place;
        (right - left) * (bottom - top)
    }
}

/// Why no faces could be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The bytes are not an image of that size.
    #[error("{bytes} bytes are no RGB image of {width}x{height} pixels")]
    Size {
        /// Length of the bytes.
        bytes: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// libtorch refused an operation.
    #[error("the face detector failed on this image")]
    Tensor(#[from] TchError),
}

/// Finds faces.
#[derive(Debug)]
pub struct Mtcnn {
    propose: Net,
    refine: Net,
    output: Net,
    spec: DetectSpec,
}

impl Mtcnn {
    /// The file of the weights, in the folder that `make setup` fills.
    pub const WEIGHTS: &'static str = "mtcnn.safetensors";

    /// With the weights of all three networks, `pnet.…`, `rnet.…` and `onet.…`.
    ///
    /// # Errors
    /// When the weights are of something else.
    pub fn new(bytes: &[u8], spec: DetectSpec) -> Result<Self, WeightsError> {
        let mut store = VarStore::new(Device::Cpu);
        let root = store.root();
        let propose = Net::new(&(&root / "pnet"), &net::PROPOSE);
        let refine = Net::new(&(&root / "rnet"), &net::REFINE);
        let output = Net::new(&(&root / "onet"), &net::OUTPUT);
        weights::load(&store, bytes)?;
        store.freeze();
        Ok(Self { propose, refine, output, spec })
    }

    /// The faces in RGB rows, the largest first. The time grows with the number of pixels: reduce
    /// a large photo first.
    ///
    /// # Errors
    /// When the bytes are no such image, or libtorch fails, as when memory runs out.
    pub fn detect(
        &self,
        pixels: &[u8],
        width: u32,
        height: u32,
    ) -> Result<Vec<Detection>, DetectError> {
        if pixels.len() as u64 != u64::from(width) * u64::from(height) * 3 || pixels.is_empty() {
            return Err(DetectError::Size { bytes: pixels.len(), width, height });
        }
        let (width, height) = (i64::from(width), i64::from(height));
        let bytes = Tensor::f_from_data_size(pixels, &[1, height, width, 3], Kind::Uint8)?;
        let image = bytes.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?;
        let picture = Picture { image, width, height };
        tch::no_grad(|| {
            let proposed = self.propose(&picture)?;
            let refined = self.refine(&picture, proposed)?;
            let mut faces = self.output(&picture, refined)?;
            faces.sort_by(|left, right| right.area().total_cmp(&left.area()));
            Ok(faces)
        })
    }

    /// The first network over a pyramid of the image.
    fn propose(&self, picture: &Picture) -> Result<Vec<Candidate>, DetectError> {
        let mut proposed = Vec::new();
        for scale in scales(picture.width.min(picture.height), self.spec.min_face) {
            let side = |side: i64| (side as f64 * scale + 1.0) as i64;
            let size = [side(picture.height), side(picture.width)];
            let said = self.propose.forward(&resampled(&picture.image, size)?)?;
            let found = proposals(&said, scale as f32, self.spec.thresholds[0])?;
            proposed.extend(suppress(best(found, self.spec.most[0]), 0.5, Against::Union));
        }
        let kept = best(suppress(proposed, 0.7, Against::Union), self.spec.most[1]);
        Ok(kept.into_iter().map(|candidate| candidate.corrected(0.0).squared()).collect())
    }

    fn refine(
        &self,
        picture: &Picture,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, DetectError> {
        let sure = picture.look(&self.refine, 24, candidates)?.into_iter().map(Look::candidate);
        let sure = sure.filter(|candidate| candidate.score > self.spec.thresholds[1]).collect();
        let kept = best(suppress(sure, 0.7, Against::Union), self.spec.most[2]);
        Ok(kept.into_iter().map(|candidate| candidate.corrected(1.0).squared()).collect())
    }

    fn output(
        &self,
        picture: &Picture,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Detection>, DetectError> {
        let looks = picture.look(&self.output, 48, candidates)?;
        let faces = looks.into_iter().map(|look| {
            let landmarks = look.landmarks();
            Face { candidate: look.candidate().corrected(1.0), landmarks }
        });
        let sure = faces.filter(|face| face.candidate.score > self.spec.thresholds[2]).collect();
        let kept = suppress(sure, 0.7, Against::Smaller).into_iter();
        let detection = |Face { candidate: Candidate { place, score, .. }, landmarks }| Detection {
            place,
            score,
            landmarks,
        };
        Ok(kept.map(detection).collect())
    }
}

/// A candidate that the last network has placed landmarks in.
struct Face {
    candidate: Candidate,
    landmarks: [[f32; 2]; 5],
}

impl AsRef<Candidate> for Face {
    fn as_ref(&self) -> &Candidate {
        &self.candidate
    }
}
