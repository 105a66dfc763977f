//! What a comparison found. As JSON it is one object keyed by metric.

use serde::{Deserialize, Serialize};

/// Files that are listed by name; more are only counted.
const LISTED: usize = 100;

/// A file that is in no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Its path in the set.
    pub path: String,
    /// For programs, in UPPER_SNAKE_CASE.
    pub reason: String,
    /// For people.
    pub detail: String,
}

/// The files that are in no number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusions {
    /// How many there are.
    pub count: u64,
    /// The first hundred of them.
    pub listed: Vec<Exclusion>,
}

impl Exclusions {
    /// Notes another file.
    pub fn push(&mut self, exclusion: Exclusion) {
        self.count += 1;
        if self.listed.len() < LISTED {
            self.listed.push(exclusion);
        }
    }

    /// In a sentence.
    pub(crate) fn told(&self) -> String {
        match self.listed.first() {
            None => "none was left out".to_owned(),
            Some(first) => {
                format!("{} were left out, the first {}: {}", self.count, first.path, first.detail)
            }
        }
    }
}

/// A set that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSet {
    /// What it is called.
    pub name: String,
    /// SHA-256 of its content in hexadecimal; none of drawn faces, whose job is their name.
    pub content_hash: Option<String>,
    /// Images that could be read.
    pub count: u64,
    /// Files that could not.
    pub excluded: Exclusions,
}

/// A number of pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedFigure {
    /// Its mean over the pairs; none where no pair has the number.
    pub mean: Option<f64>,
    /// Standard deviation over the pairs.
    pub deviation: f64,
    /// Pairs that have it.
    pub count: u64,
    /// Pairs of equal images, which have no signal-to-noise ratio.
    pub identical: u64,
    /// The least, then every twentieth part of the pairs, to the greatest.
    pub quantiles: Vec<f64>,
}

/// FID∞.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Infinity {
    /// The distance at infinitely many candidates.
    pub value: f64,
    /// Rise over 1/N.
    pub slope: f64,
    /// Numbers of candidates, and the distance of so many.
    pub points: Vec<(u64, f64)>,
}

/// What two halves of the reference are apart: no candidates can be expected to be nearer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// The distance.
    pub value: f64,
    /// Images in each half.
    pub count: u64,
}

/// FID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frechet {
    /// Who looked.
    pub extractor: String,
    /// Numbers in a row of features.
    pub features: u64,
    /// The distance, at least 0 but for rounding.
    pub value: f64,
    /// Images of the reference.
    pub reference_count: u64,
    /// Images of the candidates.
    pub candidate_count: u64,
    /// At infinitely many candidates; none below eight.
    pub infinity: Option<Infinity>,
    /// Of real images among themselves; none below four.
    pub floor: Option<Floor>,
}

/// KID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// Who looked.
    pub extractor: String,
    /// Mean over the subsets; a little below 0 at times.
    pub value: f64,
    /// Standard deviation over the subsets.
    pub deviation: f64,
    /// How many there were.
    pub subsets: u64,
    /// Images of each set in one.
    pub size: u64,
}

/// Precision and recall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// Who looked.
    pub extractor: String,
    /// Share of candidates that look like a reference image.
    pub precision: f64,
    /// Share of reference images that look like a candidate.
    pub recall: f64,
    /// To which neighbour a ball reaches.
    pub neighbour: u64,
    /// Images of the reference that were looked at.
    pub reference_count: u64,
    /// Images of the candidates that were looked at.
    pub candidate_count: u64,
}

/// All of it. The same sets give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImagesReport {
    /// What was compared with.
    pub reference: ImageSet,
    /// What was compared.
    pub candidate: ImageSet,
    /// Mean squared error of pairs, on a scale of 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mse: Option<PairedFigure>,
    /// Peak signal-to-noise ratio of pairs in dB, MAX 1 on a scale of 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr: Option<PairedFigure>,
    /// Structural similarity of pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssim: Option<PairedFigure>,
    /// Fréchet distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fid: Option<Frechet>,
    /// Kernel distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<Kernel>,
    /// Precision and recall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prc: Option<Neighbours>,
    /// What a number must not be taken for.
    pub warnings: Vec<String>,
}
