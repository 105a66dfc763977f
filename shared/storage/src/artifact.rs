use serde::{Deserialize, Serialize};

use crate::ContentHash;

/// Stored bytes that never change, named by their content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Artifact {
    /// Where the bytes are: `{folder}/{hash}.{extension}`.
    pub path: String,
    /// SHA-256 of the bytes.
    pub hash: ContentHash,
    /// Number of bytes.
    pub size: u64,
}
