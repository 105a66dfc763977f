//! `agespan evaluate`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Grouping, Split};

/// What can be measured.
#[derive(Subcommand)]
pub enum Evaluate {
    /// The estimator on a split, through its own RPC.
    Estimator(Estimator),
    /// Two sets of images: originals and reconstructions, or real faces and drawn ones. Needs no
    /// server.
    Images(Images),
    /// All nonconformity scores side by side: which makes the narrowest intervals?
    Scores(Scores),
}

/// An estimator to measure.
#[derive(Args)]
pub struct Estimator {
    /// The data set.
    #[arg(long)]
    pub(crate) dataset: String,
    /// The model [default: the active one].
    #[arg(long, default_value = "")]
    pub(crate) model: String,
    /// Coverage of the intervals.
    #[arg(long, default_value_t = 0.9)]
    pub(crate) coverage: f64,
    /// Part of the data set. Choose by validation, report by test.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) split: Split,
    /// Folder for report.json and report.html, a page with plots.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Scores to compare.
#[derive(Args)]
pub struct Scores {
    /// The data set; its calibration split is fitted on.
    #[arg(long)]
    pub(crate) dataset: String,
    /// The model [default: the active one].
    #[arg(long, default_value = "")]
    pub(crate) model: String,
    /// Coverage of the intervals.
    #[arg(long, default_value_t = 0.9)]
    pub(crate) coverage: f64,
    /// The split that is measured. Choose by validation, report by test.
    #[arg(long, value_enum, default_value = "validation")]
    pub(crate) split: Split,
    /// Which faces share a threshold.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) grouping: Grouping,
}

/// Sets of images to compare. Each is a folder, a zip, a tar, datasets/NAME or jobs/ID of a
/// generation.
#[derive(Args)]
pub struct Images {
    /// What is compared with: real images as a rule.
    #[arg(long, value_name = "SET")]
    pub(crate) reference: String,
    /// What is compared.
    #[arg(long, value_name = "SET", required_unless_present = "reconstructed_by")]
    pub(crate) candidate: Option<String>,
    /// Compare with what the autoencoder of this diffusers directory makes of the reference.
    #[arg(long, value_name = "DIR", conflicts_with = "candidate")]
    pub(crate) reconstructed_by: Option<String>,
    /// Part of the reference, where it is a data set.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) reference_split: Split,
    /// Part of the candidates, where they are a data set.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) candidate_split: Split,
    /// Compare image by image, in order of path; files of two folders have the same names.
    #[arg(long)]
    pub(crate) paired: bool,
    /// What to calculate [default: fid,kid,prc, or mse,psnr,ssim with --paired].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) metrics: Vec<Metric>,
    /// Which network looks: age-backbone, imagenet-mobilenet-v2, or a safetensors file of FID's
    /// Inception under pytorch-fid's names.
    #[arg(long, value_name = "NAME|FILE", default_value = "age-backbone")]
    pub(crate) extractor: String,
    /// Folder for report.json and report.html, a page with plots.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder with data sets, reports and what was seen in references, when no server is named.
    #[arg(long, env = "AGESPAN_DATA_DIR", default_value = "agespan-data")]
    pub(crate) data_dir: PathBuf,
}

/// A number that two sets of images have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Metric {
    /// Mean squared error of pairs.
    Mse,
    /// Peak signal-to-noise ratio of pairs.
    Psnr,
    /// Structural similarity of pairs.
    Ssim,
    /// Fréchet inception distance, with FID∞.
    Fid,
    /// Kernel inception distance.
    Kid,
    /// Precision and recall.
    Prc,
}

impl Evaluate {
    /// The images to compare, where it is that.
    pub(crate) fn images(&self) -> Option<&Images> {
        match self {
            Self::Images(images) => Some(images),
            Self::Estimator(_) | Self::Scores(_) => None,
        }
    }
}
