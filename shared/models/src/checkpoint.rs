//! A run of training put down, to be taken up again: where it was and its tensors, in one file.
//!
//! Eight bytes little-endian length, that many bytes of JSON, then a safetensors file in which each
//! part's tensors have a prefix of their own.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Tensor;

use crate::average::Named;
use crate::{WeightsError, weights};

/// Why a run cannot be put down or taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file ends early or its JSON cannot be read.
    #[error("the checkpoint is damaged; start the run anew")]
    Damaged,
    /// The file's run had other settings.
    #[error("the checkpoint is of a run with other settings; give the same ones, or start anew")]
    OtherSettings,
    /// The tensors cannot be read or written.
    #[error("the checkpoint's tensors cannot be read")]
    Weights(#[from] WeightsError),
}

/// Puts a position and the parts of a run down, each part under its prefix.
///
/// # Errors
/// When a tensor cannot be written.
pub fn write<P: Serialize>(
    position: &P,
    parts: &[(&str, &Named)],
) -> Result<Vec<u8>, CheckpointError> {
    let json = serde_json::to_vec(position).map_err(|_| CheckpointError::Damaged)?;
    let tensors: Named = parts
        .iter()
        .flat_map(|(prefix, part)| {
            let named = move |(name, tensor): &(String, Tensor)| {
                (format!("{prefix}{name}"), tensor.shallow_clone())
            };
            part.iter().map(named)
        })
        .collect();
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json);
    bytes.extend(weights::write(&tensors)?);
    Ok(bytes)
}

/// Reads what [`write`] wrote: the position and the parts, in the order of their prefixes and each in
/// order of name. Tensors under other prefixes are passed over.
///
/// # Errors
/// [`CheckpointError::Damaged`] and [`CheckpointError::Weights`].
pub fn read<P: DeserializeOwned, const N: usize>(
    bytes: &[u8],
    prefixes: [&str; N],
) -> Result<(P, [Named; N]), CheckpointError> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or(CheckpointError::Damaged)?;
    let length =
        usize::try_from(u64::from_le_bytes(*length)).map_err(|_| CheckpointError::Damaged)?;
    let (json, file) = rest.split_at_checked(length).ok_or(CheckpointError::Damaged)?;
    let position = serde_json::from_slice(json).map_err(|_| CheckpointError::Damaged)?;
    let mut parts = [const { Vec::new() }; N];
    for (name, tensor) in weights::read(file)? {
        for (prefix, part) in prefixes.iter().zip(&mut parts) {
            if let Some(name) = name.strip_prefix(prefix) {
                part.push((name.to_owned(), tensor.shallow_clone()));
            }
        }
    }
    Ok((position, parts))
}
