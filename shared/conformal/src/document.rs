//! A calibration with what it was made from. Its bytes are what a calibration's name is the hash of.

use serde::{Deserialize, Serialize};

use crate::{Calibration, InvalidCalibration};

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// Whose predictions it is for.
    pub model: String,
    /// SHA-256 of the calibration split in hexadecimal; empty when the caller brought predictions.
    pub split_hash: String,
    /// The sorted scores.
    pub calibration: Calibration,
}

/// Why bytes are no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not JSON, or not of these fields, or scores that contradict each other.
    #[error("this is not a calibration document; fit the calibration again")]
    Malformed(#[from] serde_json::Error),
    /// The calibration contradicts itself.
    #[error("the calibration contradicts itself; fit it again")]
    Invalid(#[from] InvalidCalibration),
}

impl Document {
    /// The file's bytes: the same for the same content.
    ///
    /// # Errors
    /// Never for a calibration that was fitted: its numbers are finite.
    pub fn to_json(&self) -> Result<Vec<u8>, DocumentError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// When the bytes are not a consistent document.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document: Self = serde_json::from_slice(bytes)?;
        document.calibration.validate()?;
        Ok(document)
    }
}
