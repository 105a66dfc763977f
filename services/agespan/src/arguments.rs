//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{demo, generate, photos};

/// Age intervals with a guarantee, from photos of faces.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// What goes with every command.
#[derive(Args)]
pub struct Asked {
    /// Address of a running system [default: http://127.0.0.1:50051; predict needs none].
    #[arg(long, global = true, env = "AGESPAN_SERVER")]
    pub(crate) server: Option<String>,
    /// One JSON object a line.
    #[arg(long, global = true)]
    pub json: bool,
}

impl Arguments {
    /// Whether this process estimates or trains, rather than ask another to.
    pub(crate) fn runs_a_model(&self) -> bool {
        match self.command {
            Command::Up(_) | Command::Local(Local::Demo(_)) => true,
            Command::Local(_) => self.asked.server.is_none(),
            _ => false,
        }
    }

    /// What can be refused before anything is started.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.command {
            Command::Local(Local::Predict(predict)) => photos::among(&predict.photos).map(drop),
            Command::Local(Local::Verify(verify)) => photos::among(&verify.photos).map(drop),
            Command::Local(Local::Demo(demo)) => demo::check(demo),
            Command::Local(Local::Generate(generate)) => generate::check(generate),
            _ => Ok(()),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the services, all in this process or only some.
    #[command(disable_help_flag = true, after_help = "agespan up --help says what can be set.")]
    Up(Up),
    #[command(flatten)]
    Local(Local),
    /// Import and look at data sets.
    #[command(subcommand)]
    Dataset(Dataset),
    /// Train a model on a data set.
    Train(Train),
    /// Look at models, or choose the active one.
    #[command(subcommand)]
    Model(Model),
    /// Fit a calibration: on a data set's calibration split, or on predictions that you bring.
    Calibrate(Calibrate),
    /// Look at calibrations, compare them, or choose the active one.
    #[command(subcommand)]
    Calibration(Calibration),
    /// Measure.
    #[command(subcommand)]
    Evaluate(Evaluate),
    /// Look at the pipelines that draw faces, or add one.
    #[command(subcommand)]
    Pipeline(Pipeline),
    /// Follow and steer jobs.
    #[command(subcommand)]
    Job(Job),
}

/// What `agespan-system` knows to do with its own services, where no server is named.
#[derive(Subcommand)]
pub enum Local {
    /// Estimate the age of the face in each photo.
    Predict(Predict),
    /// Is the person in each photo at least so old? PASS, FAIL or CHALLENGE, certified.
    Verify(Verify),
    /// Draw faces: by a prompt, or by age, gender and race.
    Generate(Box<Generate>),
    /// The whole story end to end, on the weights that come with the project.
    Demo(Demo),
}

/// What `agespan-system` reads.
#[derive(Args)]
pub(crate) struct Up {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _settings: Vec<OsString>,
}

/// Photos to estimate.
#[derive(Args)]
pub struct Predict {
    /// Photos, or folders of photos; each shows one face that fills most of it.
    #[arg(required = true)]
    pub(crate) photos: Vec<PathBuf>,
    /// Share of true ages that shall be inside the interval.
    #[arg(long, default_value_t = 0.9)]
    pub(crate) coverage: f64,
    /// Which faces.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) faces: Faces,
    /// The model to ask, models/ID [default: the active one].
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Folder with the models and calibrations, when no server is named.
    #[arg(long, env = "AGESPAN_DATA_DIR", default_value = "agespan-data")]
    pub(crate) data_dir: PathBuf,
}

/// Photos to check.
#[derive(Args)]
pub struct Verify {
    /// Photos, or folders of photos; each shows one face that fills most of it.
    #[arg(required = true)]
    pub(crate) photos: Vec<PathBuf>,
    /// The age in years, 1 to 100.
    #[arg(long)]
    pub(crate) at_least: u32,
    /// Greatest share of younger people who may pass.
    #[arg(long, default_value_t = 0.01)]
    pub(crate) false_pass_rate: f64,
    /// The model to ask, models/ID [default: the active one].
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Folder with the models and calibrations, when no server is named.
    #[arg(long, env = "AGESPAN_DATA_DIR", default_value = "agespan-data")]
    pub(crate) data_dir: PathBuf,
}

/// Faces to draw.
#[derive(Args)]
pub struct Generate {
    /// What to draw.
    #[arg(long, required_unless_present = "age", conflicts_with_all = ["age", "gender", "race"])]
    pub(crate) prompt: Option<String>,
    /// Instead of a prompt: the age in years, 0 to 116.
    #[arg(long, requires = "gender", requires = "race")]
    pub(crate) age: Option<u32>,
    /// And the gender.
    #[arg(long, value_enum, requires = "age")]
    pub(crate) gender: Option<Gender>,
    /// And the race: white, black, asian, indian or others.
    #[arg(long, requires = "age")]
    pub(crate) race: Option<String>,
    /// What to keep away from.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) negative: String,
    /// How many images.
    #[arg(short = 'n', long, default_value_t = 1)]
    pub(crate) count: u32,
    /// Image i is drawn from SEED + i.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Denoising steps, 1 to 1000.
    #[arg(long, default_value_t = 50)]
    pub(crate) steps: u32,
    /// Another scheduler than the pipeline's own.
    #[arg(long, value_enum)]
    pub(crate) scheduler: Option<Scheduler>,
    /// How far to go from the negative prompt towards the prompt.
    #[arg(long, default_value_t = 7.5, allow_negative_numbers = true)]
    pub(crate) guidance: f64,
    /// With --scheduler ddim: noise added on the way, 0 to 1.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) eta: f64,
    /// Width in pixels [default: the pipeline's].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) width: u32,
    /// Height in pixels [default: the pipeline's].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) height: u32,
    /// A diffusers directory, as the server sees it, or pipelines/ID [default: the newest].
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) pipeline: Option<String>,
    /// Noise to begin with, as a safetensors file; for one image.
    #[arg(long, value_name = "FILE")]
    pub(crate) latents: Option<PathBuf>,
    /// Where every step's latents go, as a safetensors file; for one image.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Folder for the images: 000000.png and so on.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Folder with the pipelines, when no server is named.
    #[arg(long, env = "AGESPAN_DATA_DIR", default_value = "agespan-data")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gender {
    Female,
    Male,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheduler {
    Ddpm,
    Ddim,
    Pndm,
    Euler,
    EulerAncestral,
    DpmSolverMultistep,
    UniPc,
    Lcm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faces {
    /// The photo is one face already.
    #[default]
    WholeImage,
    /// The largest face that is found.
    Largest,
    /// Every face that is found.
    All,
}

#[derive(Subcommand)]
pub(crate) enum Dataset {
    /// Import a folder, zip or tar of UTKFace.
    Import {
        /// The folder or archive, as the server sees it.
        source: PathBuf,
        /// What to call the data set.
        #[arg(long, default_value = "utkface")]
        name: String,
        /// Seed of the split.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// List the data sets.
    List,
    /// One data set, with its splits.
    Show { name: String },
    /// Faces by decade, gender and race, and why files were quarantined.
    Stats { name: String },
}

#[derive(Args)]
pub(crate) struct Train {
    /// The data set.
    #[arg(long)]
    pub(crate) dataset: String,
    /// Passes over the train split [default: as many as the recipe has].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) epochs: u32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Use only so many faces, for a trial; 0 for all.
    #[arg(long, default_value_t = 0)]
    pub(crate) max_samples: u32,
    /// What looks at the face, and what it has learned before [default: that of the shipped model].
    #[arg(long, value_enum)]
    pub(crate) backbone: Option<Backbone>,
    /// A model to go on from, with smaller steps: a short finish on a larger input.
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["backbone", "age_bins"])]
    pub(crate) from: Option<String>,
    /// Side of the square that it sees, in pixels, 64 to 224 [default: that of --from, or 112].
    #[arg(long)]
    pub(crate) input_size: Option<u32>,
    /// One-year age bins: 117 by default, 90 in the original study.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) age_bins: u32,
    /// Models to learn from beside the labels: of their answers, the mean.
    #[arg(long = "teacher", value_name = "MODEL", num_args = 1..)]
    pub(crate) teachers: Vec<String>,
    /// How much the teachers count beside the labels, up to 1 [default: 0.5].
    #[arg(long, requires = "teachers")]
    pub(crate) teacher_weight: Option<f64>,
    /// Mix each face with another, in a share from Beta(ALPHA, ALPHA); 0 for no mixing.
    #[arg(long, default_value_t = 0.0, value_name = "ALPHA")]
    pub(crate) mixup: f64,
    /// Answer requests with the model as soon as it is there.
    #[arg(long)]
    pub(crate) activate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backbone {
    /// From ImageNet, as in the original study.
    MobilenetV2,
    /// From identities of faces.
    MobilenetV1Faces,
}

#[derive(Subcommand)]
pub(crate) enum Model {
    /// List the models.
    List,
    /// Make a model the one that answers.
    Activate { name: String },
}

#[derive(Args)]
pub(crate) struct Calibrate {
    /// The data set whose calibration split is used, on a server.
    #[arg(long, required_unless_present = "predictions", conflicts_with = "predictions")]
    pub(crate) dataset: Option<String>,
    /// Instead: a CSV or Parquet file of any predictor's predictions, without a server. Columns
    /// prediction and truth, in years; sigma and group where there are.
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,
    /// With --predictions: a file of new predictions that get intervals.
    #[arg(long, requires = "predictions", value_name = "FILE")]
    pub(crate) apply: Option<PathBuf>,
    /// With --apply: where the intervals go [default: FILE.intervals.csv beside it].
    #[arg(long, requires = "apply", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// With --predictions: coverage of the thresholds. On a server any level can be asked later.
    #[arg(long, default_value_t = 0.9)]
    pub(crate) coverage: f64,
    /// With --dataset: the model [default: the active one].
    #[arg(long, default_value = "")]
    pub(crate) model: String,
    /// How errors are measured [default: shortest-window; absolute with --predictions].
    #[arg(long, value_enum)]
    pub(crate) score: Option<Score>,
    /// Which faces share a threshold [default: predicted-decade; with --predictions the group
    /// column, or none].
    #[arg(long, value_enum)]
    pub(crate) grouping: Option<Grouping>,
    /// With --dataset: do not put it to use yet.
    #[arg(long)]
    pub(crate) no_activate: bool,
}

#[derive(Subcommand)]
pub(crate) enum Calibration {
    /// List the calibrations, newest first.
    List,
    /// One calibration, group by group.
    Show { name: String },
    /// What another calibration would change, group by group.
    Diff {
        base: String,
        candidate: String,
        /// Coverage of the thresholds.
        #[arg(long, default_value_t = 0.9)]
        coverage: f64,
    },
    /// Make a calibration the one in use for its model.
    Activate { name: String },
    /// Go back to the calibration that was active before.
    Rollback {
        /// The model whose calibration goes back.
        model: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Score {
    /// The same width for every face of a group.
    Absolute,
    /// Wider for older faces, as in the original study.
    SquareRoot,
    /// Wider where the model doubts.
    Sigma,
    /// Around the middle of the predicted distribution, asymmetric.
    Quantile,
    /// The shortest window of the predicted distribution, asymmetric: the narrowest.
    #[default]
    ShortestWindow,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grouping {
    None,
    #[default]
    PredictedDecade,
    PredictedGender,
    PredictedDecadeAndGender,
    /// Covers every decade of the true age; wider.
    TrueDecade,
    /// By the `group` column of predictions that you bring.
    Label,
}

impl From<Score> for agespan_conformal::Score {
    fn from(score: Score) -> Self {
        match score {
            Score::Absolute => Self::Absolute,
            Score::SquareRoot => Self::SquareRoot,
            Score::Sigma => Self::Sigma,
            Score::Quantile => Self::Quantile,
            Score::ShortestWindow => Self::ShortestWindow,
        }
    }
}

impl From<Grouping> for agespan_conformal::Grouping {
    fn from(grouping: Grouping) -> Self {
        match grouping {
            Grouping::None => Self::None,
            Grouping::PredictedDecade => Self::PredictedDecade,
            Grouping::PredictedGender => Self::PredictedGender,
            Grouping::PredictedDecadeAndGender => Self::PredictedDecadeAndGender,
            Grouping::TrueDecade => Self::TrueDecade,
            Grouping::Label => Self::Label,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Evaluate {
    /// The estimator on a split, through its own RPC.
    Estimator {
        /// The data set.
        #[arg(long)]
        dataset: String,
        /// The model [default: the active one].
        #[arg(long, default_value = "")]
        model: String,
        /// Coverage of the intervals.
        #[arg(long, default_value_t = 0.9)]
        coverage: f64,
        /// Part of the data set. Choose by validation, report by test.
        #[arg(long, value_enum, default_value_t)]
        split: Split,
        /// Folder for report.json and report.html, a page with plots.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// All nonconformity scores side by side: which makes the narrowest intervals?
    Scores(Scores),
}

#[derive(Args)]
pub(crate) struct Scores {
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Split {
    Train,
    Validation,
    Calibration,
    #[default]
    Test,
}

#[derive(Subcommand)]
pub(crate) enum Pipeline {
    /// List the pipelines, newest first.
    List,
    /// One pipeline.
    Show { name: String },
    /// Take in a diffusers directory.
    Add {
        /// The directory, as the server sees it.
        directory: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum Job {
    /// List jobs, newest first.
    List,
    /// One job.
    Show { name: String },
    /// Follow a job to its end.
    Watch { name: String },
    /// Ask a job to stop.
    Cancel { name: String },
}

/// What the demo shows.
#[derive(Args)]
pub struct Demo {
    /// A UTKFace archive or folder: runs import, training, calibration and evaluation on it.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Your own photos instead of those that come with the project.
    #[arg(long)]
    pub(crate) photo: Vec<PathBuf>,
    /// With --data: train on all faces for as long as the recipe says, not for a taste.
    #[arg(long)]
    pub(crate) full: bool,
    /// With --data: folder of the weights that training begins with; `make setup` fills it.
    #[arg(long, env = "AGESPAN_FIRST_WEIGHTS")]
    pub first_weights: Option<PathBuf>,
    /// Folder for what the demo makes.
    #[arg(long, default_value = "agespan-data/demo")]
    pub(crate) data_dir: PathBuf,
    /// Folder of the photos that come with the project.
    #[arg(long, default_value = "deploy/demo/faces")]
    pub(crate) faces: PathBuf,
}
