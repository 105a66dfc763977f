//! What can be typed.

mod calibrate;
mod dataset;
mod evaluate;
mod finetune;
mod generate;
mod token;

use std::ffi::OsString;
use std::path::PathBuf;

use agespan_service::AccessConfig;
use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::faces::Look;
use crate::commands::{self, demo, photos};
pub(crate) use calibrate::{Calibrate, Calibration, Grouping};
pub(crate) use dataset::{Dataset, ExportFormat, Import, ImportFormat};
pub use evaluate::Evaluate;
pub(crate) use evaluate::{Estimator, Generated, Images, Metric, Scores};
pub(crate) use finetune::{Decay, Finetune, Precision};
pub use generate::Generate;
pub(crate) use generate::{Gender, Pipeline, Scheduler};
pub(crate) use token::{NewToken, Token};

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
    #[command(flatten)]
    pub(crate) access: AccessConfig,
}

impl Arguments {
    /// Whether this process estimates or trains, rather than ask another to.
    pub(crate) fn runs_a_model(&self) -> bool {
        match &self.command {
            Command::Up(_) | Command::Local(Local::Demo(_)) => true,
            Command::Local(Local::Evaluate(evaluate)) => {
                evaluate.data_dir().is_some() && self.asked.server.is_none()
            }
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
            Command::Local(Local::Evaluate(evaluate)) => match evaluate.images() {
                Some(images) => commands::images::check(images),
                None => Ok(()),
            },
            Command::Local(Local::Generate(generate)) => commands::generate::check(generate),
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
    /// Fine-tune a pipeline on the faces of a data set.
    Finetune(Box<Finetune>),
    /// Look at the pipelines that draw faces, or add one.
    #[command(subcommand)]
    Pipeline(Pipeline),
    /// Follow and steer jobs.
    #[command(subcommand)]
    Job(Job),
    /// Make tokens for callers of a server.
    #[command(subcommand)]
    Token(Token),
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
    /// Measure: the estimator, or images.
    #[command(subcommand)]
    Evaluate(Box<Evaluate>),
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
    /// Photos, or folders of photos.
    #[arg(required = true)]
    pub(crate) photos: Vec<PathBuf>,
    /// Share of true ages that shall be inside the interval.
    #[arg(long, default_value_t = 0.9)]
    pub(crate) coverage: f64,
    #[command(flatten)]
    pub(crate) look: Look,
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
    /// Photos, or folders of photos.
    #[arg(required = true)]
    pub(crate) photos: Vec<PathBuf>,
    /// The age in years, 1 to 100.
    #[arg(long)]
    pub(crate) at_least: u32,
    /// Greatest share of younger people who may pass.
    #[arg(long, default_value_t = 0.01)]
    pub(crate) false_pass_rate: f64,
    #[command(flatten)]
    pub(crate) look: Look,
    /// The model to ask, models/ID [default: the active one].
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Folder with the models and calibrations, when no server is named.
    #[arg(long, env = "AGESPAN_DATA_DIR", default_value = "agespan-data")]
    pub(crate) data_dir: PathBuf,
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
    /// Highest learning rate [default: the recipe's, a quarter of it with --from].
    #[arg(long, default_value_t = 0.0, hide_default_value = true)]
    pub(crate) learning_rate: f64,
    /// Compute in 16-bit floats, on processors that multiply them.
    #[arg(long)]
    pub(crate) bfloat16: bool,
    /// Answer with the mean over a face and its mirror image, at twice the cost.
    #[arg(long)]
    pub(crate) mirrored: bool,
    /// Answer requests with the model as soon as it is there.
    #[arg(long)]
    pub(crate) activate: bool,
    /// Folder for the training as a page with plots, as JSON, and for TensorBoard.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backbone {
    /// From ImageNet, as in the original study.
    MobilenetV2,
    /// From identities of faces (HSE FaceRes).
    MobilenetV1Faces,
    /// Residual, from identities of faces (dlib).
    FaceResnet,
}

#[derive(Subcommand)]
pub(crate) enum Model {
    /// List the models.
    List,
    /// One model, and how it was trained.
    Show {
        name: String,
        /// Folder for its training as a page with plots, as JSON, and for TensorBoard.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Make a model the one that answers.
    Activate { name: String },
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
pub(crate) enum Job {
    /// List jobs, newest first.
    List {
        /// Only those in this state; `failed` is the dead letter.
        #[arg(long, value_enum)]
        state: Option<JobState>,
        /// Only those of this kind, such as train-model.
        #[arg(long)]
        kind: Option<String>,
    },
    /// One job.
    Show { name: String },
    /// Follow a job to its end.
    Watch { name: String },
    /// Ask a job to stop.
    Cancel { name: String },
    /// Queue a failed job again; it goes on from its last checkpoint.
    Retry { name: String },
}

/// States that jobs are listed by.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum JobState {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
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
    /// Folder of the face detector's weights and those that training begins with; `make setup`
    /// fills it.
    #[arg(long, env = "AGESPAN_FIRST_WEIGHTS")]
    pub first_weights: Option<PathBuf>,
    /// Folder for what the demo makes.
    #[arg(long, default_value = "agespan-data/demo")]
    pub(crate) data_dir: PathBuf,
    /// Folder of the photos that come with the project.
    #[arg(long, default_value = "deploy/demo/faces")]
    pub(crate) faces: PathBuf,
}
