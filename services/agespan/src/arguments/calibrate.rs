//! What can be typed about calibrations.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
