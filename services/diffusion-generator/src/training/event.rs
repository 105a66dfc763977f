//! What a run tells of itself, what it makes, and why it fails.

use agespan_models::diffusion::{DiffusionError, Pipeline, Variables};
use agespan_models::tch::TchError;
use serde::{Deserialize, Serialize};

use agespan_models::CheckpointError;

/// What a run tells of itself.
#[derive(Debug)]
pub enum Event<'a> {
    /// Faces were encoded by the autoencoder.
    Encoded {
        /// How many, of `faces`.
        done: usize,
        /// Faces and mirror images, in training and validation.
        faces: usize,
    },
    /// A step was done.
    Step {
        /// Steps done, of `steps`.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// The epoch, from 0.
        epoch: u32,
        /// Loss of the step.
        loss: f64,
        /// Length of its gradient before it was clipped.
        gradient_norm: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Speed of the step.
        images_per_second: f64,
    },
    /// An epoch ended.
    Epoch {
        /// The epoch, from 0.
        epoch: u32,
        /// Its figures.
        figures: &'a EpochFigures,
        /// The pipeline as it would be if the run ended here.
        pipeline: &'a Pipeline,
    },
    /// The run can be taken up again from these bytes.
    Checkpoint(Vec<u8>),
}

/// Whether a run goes on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    GoOn,
    /// It ends now.
    Stop,
}

/// Figures of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochFigures {
    /// Mean loss of its steps.
    pub loss: f64,
    /// The loss on validation faces, without weighting, always at the same noise; absent where
    /// there are none.
    pub validation_loss: Option<f64>,
}

/// What a run made.
#[derive(Debug)]
pub struct Fitted {
    /// The pipeline with its new weights, in 32 bits.
    pub pipeline: Pipeline,
    /// The additions that were learned and are in those weights already, where it was they.
    pub lora: Option<Variables>,
    /// All epochs' figures.
    pub history: Vec<EpochFigures>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FineTuneError {
    /// Too few faces for one step.
    #[error("{faces} faces are too few; a step takes {step}")]
    TooFew {
        /// Faces.
        faces: usize,
        /// Faces of a step.
        step: usize,
    },
    /// The loss or its gradient is no number any more.
    #[error("step {step} has no finite loss and gradient; learn at a lower rate")]
    Diverged {
        /// The step.
        step: u64,
    },
    /// It was told to stop.
    #[error("the run was stopped")]
    Stopped,
    /// The pipeline cannot be used.
    #[error("the pipeline cannot be fine-tuned")]
    Pipeline(#[from] DiffusionError),
    /// libtorch refused an operation.
    #[error("libtorch could not make a step")]
    Tensor(#[from] TchError),
    /// The checkpoint cannot be used.
    #[error("the checkpoint cannot be used")]
    Checkpoint(#[from] CheckpointError),
}
