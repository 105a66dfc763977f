//! What can be typed about faces to draw, and the pipelines that draw them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
    /// Draws of an image until one shows exactly one face, 1 to 10 [default: 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(crate) max_draws: Option<u32>,
    /// Do not count faces: keep the first draw, whatever it shows.
    #[arg(long, conflicts_with = "max_draws")]
    pub(crate) no_face_check: bool,
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
