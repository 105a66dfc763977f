//! What a comparison is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::worker::Split;

/// Where images are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A part of a data set.
    Dataset {
        /// "datasets/{id}".
        name: String,
        /// The part.
        split: Split,
    },
    /// Drawn faces: "jobs/{id}" of a generation.
    Job(String),
    /// A folder, zip, tar or tar.gz on this machine.
    Path(PathBuf),
    /// The reference, passed through the autoencoder of this diffusers directory.
    Reconstruction(PathBuf),
}

/// A number that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Mean squared error of pairs.
    Mse,
    /// Peak signal-to-noise ratio of pairs.
    Psnr,
    /// Structural similarity of pairs.
    Ssim,
    /// Fréchet distance of features.
    Fid,
    /// Kernel distance of features.
    Kid,
    /// Precision and recall of features.
    Prc,
}

impl Metric {
    /// Whether it compares image by image, and not what is seen in all.
    pub fn is_paired(self) -> bool {
        matches!(self, Self::Mse | Self::Psnr | Self::Ssim)
    }

    /// Those that are calculated where none are named.
    pub fn usual(paired: bool) -> Vec<Self> {
        if paired {
            vec![Self::Mse, Self::Psnr, Self::Ssim]
        } else {
            vec![Self::Fid, Self::Kid, Self::Prc]
        }
    }
}

/// What the job is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// What is compared with.
    pub reference: Place,
    /// What is compared.
    pub candidate: Place,
    /// What is calculated; not empty.
    pub metrics: Vec<Metric>,
    /// A name or the path of a file of weights.
    pub extractor: String,
}
