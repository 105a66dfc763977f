//! Why a pipeline could not be read, run or written.

use std::io;
use std::path::PathBuf;

use crate::WeightsError;

/// Why a pipeline could not be read, run or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffusionError {
    /// A file that a diffusers directory must have.
    #[error("{} is missing; a diffusers directory with safetensors weights has it", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// An index of weights names a file elsewhere.
    #[error("{} is named by an index of weights, which may name files beside it only", path.display())]
    Outside {
        /// The file.
        path: PathBuf,
    },
    /// The directory names a safety checker and has no files of it.
    #[error(
        "{} is missing, and model_index.json names a safety checker; bring its files as \
         safetensors, or say that there is none: \"safety_checker\": [null, null]",
        path.display()
    )]
    MissingSafetyChecker {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not JSON, or not of the form that it should have.
    #[error("{} is not the JSON that it should be", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A configuration asks for what is not implemented.
    #[error("{config} has {field} = {value}, which is not supported; {supported}")]
    Unsupported {
        /// Whose configuration.
        config: &'static str,
        /// The field.
        field: String,
        /// Its value, as JSON.
        value: String,
        /// What is supported instead.
        supported: String,
    },
    /// A weights file does not fit the network.
    #[error("the weights in {} do not fit", path.display())]
    Weights {
        /// The file, or the first of several.
        path: PathBuf,
        /// Why.
        #[source]
        source: WeightsError,
    },
    /// Parameters do not fit a network that they were made for.
    #[error("the network cannot be made of these parameters")]
    Network {
        /// Why.
        #[source]
        source: WeightsError,
    },
    /// The tokenizer's files are not what they should be.
    #[error("the tokenizer could not be built from {}: {reason}", path.display())]
    Tokenizer {
        /// The file or the directory.
        path: PathBuf,
        /// What the tokenizer says.
        reason: String,
    },
    /// A prompt that the tokenizer cannot take.
    #[error("the prompt cannot be tokenized: {reason}")]
    Prompt {
        /// What the tokenizer says.
        reason: String,
    },
    /// A number of denoising steps that the scheduler cannot make.
    #[error("{steps} denoising steps cannot be made; ask for 1 to {most}")]
    Steps {
        /// The number asked for.
        steps: usize,
        /// The largest possible.
        most: usize,
    },
    /// A schedule that runs over the timesteps of the training.
    #[error(
        "the schedule reaches timestep {timestep} of {trained}; lower steps_offset or the steps"
    )]
    Timestep {
        /// The first timestep of the schedule.
        timestep: i64,
        /// The number of timesteps in training.
        trained: usize,
    },
    /// A guidance scale below zero.
    #[error("the guidance scale {value} is not a number from 0 up; 7.5 is usual, 1 turns it off")]
    Guidance {
        /// The scale.
        value: f64,
    },
    /// DDIM's eta outside of its range.
    #[error("eta {value} is not between 0 and 1")]
    Eta {
        /// The value.
        value: f64,
    },
    /// A size that latents cannot have.
    #[error("{width} x {height} pixels cannot be made; both must be multiples of {factor}")]
    Size {
        /// Width asked for, in pixels.
        width: i64,
        /// Height asked for, in pixels.
        height: i64,
        /// Pixels for each latent, a side.
        factor: i64,
    },
    /// A tensor that the caller brought has a wrong shape.
    #[error("{what} of the shape {found:?} was given where {expected:?} is needed")]
    Shape {
        /// What was given.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The shape that fits.
        expected: Vec<i64>,
    },
    /// libtorch refused an operation, for want of memory above all.
    #[error("libtorch could not go on")]
    Torch(#[from] tch::TchError),
}
