//! What can be typed.

use agespan::{Asked, Local};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Age intervals with a guarantee, from photos of faces.
#[derive(Parser)]
#[command(name = "agespan", bin_name = "agespan", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the services, all in this process or only some.
    Up(Box<Up>),
    #[command(flatten)]
    Local(Local),
}

/// A service, as it is called on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Dataset,
    AgeEstimator,
    ConformalCalibrator,
    DiffusionGenerator,
    Evaluator,
}

#[derive(Args)]
pub(crate) struct Up {
    /// Which services run here.
    #[arg(
        long,
        env = "AGESPAN_SERVICES",
        value_enum,
        value_delimiter = ',',
        default_value = "dataset,age-estimator,conformal-calibrator,diffusion-generator,evaluator"
    )]
    pub(crate) services: Vec<Service>,
    #[command(flatten)]
    pub(crate) process: agespan_service::Config,
    #[command(flatten)]
    pub(crate) estimator: agespan_age_estimator::Config,
}
