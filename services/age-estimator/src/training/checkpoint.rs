//! A run put down, to be taken up again: where it was and all its tensors, in one file.
//!
//! Eight bytes little-endian length, that many bytes of JSON, then a safetensors file with the
//! network (`net.…`), the optimiser (`adamw.…`), the averaged weights (`average.…`) and the best
//! so far (`best.…`).

use agespan_models::tch::Tensor;
use agespan_models::{WeightsError, weights};
use serde::{Deserialize, Serialize};

use super::history::{EpochFigures, Running};
use super::spec::TrainSpec;

/// Where a run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) spec: TrainSpec,
    /// Steps done since the start of the run.
    pub(super) step: u64,
    /// Figures of the epochs that ended.
    pub(super) history: Vec<EpochFigures>,
    /// The epoch under way.
    #[serde(default)]
    pub(super) running: Running,
}

/// A run put down.
pub(super) struct Checkpoint {
    pub(super) position: Position,
    pub(super) net: Vec<(String, Tensor)>,
    pub(super) optimiser: Vec<(String, Tensor)>,
    pub(super) average: Vec<(String, Tensor)>,
    pub(super) best: Vec<(String, Tensor)>,
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

const PARTS: [&str; 4] = ["net.", "adamw.", "average.", "best."];

impl Checkpoint {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let json = serde_json::to_vec(&self.position).map_err(|_| CheckpointError::Damaged)?;
        let mut tensors = Vec::new();
        for (prefix, part) in
            PARTS.iter().zip([&self.net, &self.optimiser, &self.average, &self.best])
        {
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

    pub(super) fn from_bytes(bytes: &[u8], spec: &TrainSpec) -> Result<Self, CheckpointError> {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or(CheckpointError::Damaged)?;
        let length =
            usize::try_from(u64::from_le_bytes(*length)).map_err(|_| CheckpointError::Damaged)?;
        let (json, file) = rest.split_at_checked(length).ok_or(CheckpointError::Damaged)?;
        let position: Position =
            serde_json::from_slice(json).map_err(|_| CheckpointError::Damaged)?;
        if position.spec != *spec {
            return Err(CheckpointError::OtherSettings);
        }
        let mut parts = [const { Vec::new() }; 4];
        for (name, tensor) in weights::read(file)? {
            for (prefix, part) in PARTS.iter().zip(&mut parts) {
                if let Some(name) = name.strip_prefix(prefix) {
                    part.push((name.to_owned(), tensor.shallow_clone()));
                }
            }
        }
        let [net, optimiser, average, best] = parts;
        Ok(Self { position, net, optimiser, average, best })
    }
}
