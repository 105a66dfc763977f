//! `agespan evaluate`.

use std::path::{Path, PathBuf};

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
    /// Faces that are drawn to prompts: does the estimator still hold? Needs no server.
    Generated(Generated),
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
    /// Ages that "at least T?" is asked about [default: 18].
    #[arg(long, value_delimiter = ',', value_name = "T")]
    pub(crate) ages: Vec<u32>,
    /// The rate of wrong passes that these checks certify [default: 0.01].
    #[arg(long)]
    pub(crate) false_pass_rate: Option<f64>,
    /// Another calibrated model to compare with, face by face.
    #[arg(long, value_name = "MODEL")]
    pub(crate) baseline: Option<String>,
    /// A calibration to compare with: of the baseline, or of the model itself.
    #[arg(long, value_name = "CALIBRATION")]
    pub(crate) baseline_calibration: Option<String>,
    /// Folder for report.json, rows.csv and report.html, a page with plots.
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
    /// Which network looks: age-backbone, imagenet-mobilenet-v2, or a file of FID's Inception:
    /// safetensors under pytorch-fid's names, or the TorchScript program that clean-fid has, which is run
    /// as it is.
    #[arg(long, value_name = "NAME|FILE", default_value = "age-backbone")]
    pub(crate) extractor: String,
    /// Folder for report.json and report.html, a page with plots.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder with data sets, reports and what was seen in references, when no server is named.
    #[arg(long, env = "AGESPAN_DATA_DIR", default_value = "agespan-data")]
    pub(crate) data_dir: PathBuf,
}

/// Drawn faces to cross-check.
#[derive(Args)]
pub struct Generated {
    /// A generation that is there or under way; without it faces are drawn first.
    #[arg(long, value_name = "JOB", conflicts_with_all = ["pipeline", "ages", "count"])]
    pub(crate) generated: Option<String>,
    /// A pipeline by name, or a diffusers directory [default: the newest].
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) pipeline: Option<PathBuf>,
    /// Ages to draw, each as both genders and all races [default: 2, 5, 10, 15 to 85].
    #[arg(long, value_delimiter = ',')]
    pub(crate) ages: Vec<u32>,
    /// How many images [default: one of each].
    #[arg(short = 'n', long, default_value_t = 0, hide_default_value = true)]
    pub(crate) count: u32,
    /// Image i is drawn from SEED + i.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Denoising steps, 1 to 1000.
    #[arg(long, default_value_t = 50)]
    pub(crate) steps: u32,
    /// How far to go from no prompt towards the prompt.
    #[arg(long, default_value_t = 7.5)]
    pub(crate) guidance: f64,
    /// The model [default: the active one].
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Coverage of the intervals.
    #[arg(long, default_value_t = 0.9)]
    pub(crate) coverage: f64,
    /// A second calibrated model to ask about the same faces.
    #[arg(long, value_name = "MODEL")]
    pub(crate) second_model: Option<String>,
    /// A data set of real faces: report intervals that are weighted for the shift as well.
    #[arg(long)]
    pub(crate) dataset: Option<String>,
    /// Folder for report.json, report.html with the pictures, and rows.csv.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder with pipelines, data sets and reports, when no server is named.
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
            Self::Estimator(_) | Self::Generated(_) | Self::Scores(_) => None,
        }
    }

    /// The folder that it works in where no server is named; none where it needs one.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        match self {
            Self::Images(images) => Some(&images.data_dir),
            Self::Generated(generated) => Some(&generated.data_dir),
            Self::Estimator(_) | Self::Scores(_) => None,
        }
    }

    /// Whether every service has a part in it.
    pub fn needs_all(&self) -> bool {
        matches!(self, Self::Generated(_))
    }
}
