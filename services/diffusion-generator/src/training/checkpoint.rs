//! A run put down, to be taken up again to the same bits: where it was and all its tensors, in one
//! safetensors file.
//!
//! All that is random is drawn from the seed and the number of the step, so that the step is the
//! whole state of the generators and the place in the data as well.

use agespan_models::tch::Tensor;
use agespan_models::{WeightsError, weights};
use serde::{Deserialize, Serialize};

use super::average::Named;
use super::event::EpochFigures;
use super::scaling::LossScale;
use super::spec::FineTuneSpec;

/// Where a run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) spec: FineTuneSpec,
    /// Steps done.
    pub(super) step: u64,
    pub(super) scale: LossScale,
    /// Sum of the losses of the epoch under way.
    pub(super) loss: f64,
    /// The epochs that ended.
    pub(super) history: Vec<EpochFigures>,
}

/// A run put down.
pub(super) struct Checkpoint {
    pub(super) position: Position,
    pub(super) weights: Named,
    pub(super) optimiser: Named,
    pub(super) average: Named,
}

/// Why a run cannot be taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file ends early or its JSON cannot be read.
    #[error("the checkpoint is damaged; start the run anew")]
    Damaged,
    /// The file's run had other settings.
    #[error("the checkpoint is of a run with other settings; give the same ones, or start anew")]
    OtherSettings,
    /// The tensors cannot be read.
    #[error("the checkpoint's tensors cannot be read")]
    Weights(#[from] WeightsError),
}

const PARTS: [&str; 3] = ["weights.", "adamw.", "average."];

impl Checkpoint {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let json = serde_json::to_vec(&self.position).map_err(|_| CheckpointError::Damaged)?;
        let mut tensors = Vec::new();
        for (prefix, part) in PARTS.iter().zip([&self.weights, &self.optimiser, &self.average]) {
            let named = |(name, tensor): &(String, Tensor)| {
                (format!("{prefix}{name}"), tensor.shallow_clone())
            };
            tensors.extend(part.iter().map(named));
        }
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        bytes.extend(weights::write(&tensors)?);
        Ok(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8], spec: &FineTuneSpec) -> Result<Self, CheckpointError> {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or(CheckpointError::Damaged)?;
        let length =
            usize::try_from(u64::from_le_bytes(*length)).map_err(|_| CheckpointError::Damaged)?;
        let (json, file) = rest.split_at_checked(length).ok_or(CheckpointError::Damaged)?;
        let position: Position =
            serde_json::from_slice(json).map_err(|_| CheckpointError::Damaged)?;
        if position.spec != *spec {
            return Err(CheckpointError::OtherSettings);
        }
        let mut parts = [const { Vec::new() }; 3];
        for (name, tensor) in weights::read(file)? {
            for (prefix, part) in PARTS.iter().zip(&mut parts) {
                if let Some(name) = name.strip_prefix(prefix) {
                    part.push((name.to_owned(), tensor.shallow_clone()));
                }
            }
        }
        let [weights, optimiser, average] = parts;
        Ok(Self { position, weights, optimiser, average })
    }
}
