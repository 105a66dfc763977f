//! A run put down, to be taken up again to the same bits.
//!
//! All that is random is drawn from the seed and the number of the step, so that the step is the
//! whole state of the generators and the place in the data as well.

use agespan_models::average::Named;
use agespan_models::{CheckpointError, checkpoint};
use serde::{Deserialize, Serialize};

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

const PARTS: [&str; 3] = ["weights.", "adamw.", "average."];

impl Checkpoint {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let [weights, adamw, average] = PARTS;
        let parts = [(weights, &self.weights), (adamw, &self.optimiser), (average, &self.average)];
        checkpoint::write(&self.position, &parts)
    }

    pub(super) fn from_bytes(bytes: &[u8], spec: &FineTuneSpec) -> Result<Self, CheckpointError> {
        let (position, parts): (Position, _) = checkpoint::read(bytes, PARTS)?;
        if position.spec != *spec {
            return Err(CheckpointError::OtherSettings);
        }
        let [weights, optimiser, average] = parts;
        Ok(Self { position, weights, optimiser, average })
    }
}
