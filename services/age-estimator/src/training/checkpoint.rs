//! A run put down, to be taken up again: where it was, with the network (`net.…`), the optimiser
//! (`adamw.…`), the averaged weights (`average.…`) and the best so far (`best.…`).

use agespan_models::average::Named;
use agespan_models::{CheckpointError, checkpoint};
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
    pub(super) net: Named,
    pub(super) optimiser: Named,
    pub(super) average: Named,
    pub(super) best: Named,
}

const PARTS: [&str; 4] = ["net.", "adamw.", "average.", "best."];

impl Checkpoint {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let [net, adamw, average, best] = PARTS;
        let parts = [
            (net, &self.net),
            (adamw, &self.optimiser),
            (average, &self.average),
            (best, &self.best),
        ];
        checkpoint::write(&self.position, &parts)
    }

    pub(super) fn from_bytes(bytes: &[u8], spec: &TrainSpec) -> Result<Self, CheckpointError> {
        let (position, parts): (Position, _) = checkpoint::read(bytes, PARTS)?;
        if position.spec != *spec {
            return Err(CheckpointError::OtherSettings);
        }
        let [net, optimiser, average, best] = parts;
        Ok(Self { position, net, optimiser, average, best })
    }
}
