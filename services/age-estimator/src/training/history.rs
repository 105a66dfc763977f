//! What is kept of an epoch.

use serde::{Deserialize, Serialize};

use super::validate::Validation;

/// The figures of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochFigures {
    /// Mean loss of its steps; none when an older program did them, which did not keep it.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Figures on the validation split at its end.
    #[serde(flatten)]
    pub validation: Validation,
}

/// The steps of the epoch under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Running {
    loss: f64,
    steps: u64,
}

impl Running {
    pub(super) fn add(&mut self, loss: f64) {
        self.loss += loss;
        self.steps += 1;
    }

    /// The mean loss; the next epoch begins.
    pub(super) fn take(&mut self) -> Option<f64> {
        let Self { loss, steps } = std::mem::take(self);
        (steps > 0).then(|| loss / steps as f64)
    }
}
