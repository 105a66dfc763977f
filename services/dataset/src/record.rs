//! The records that make datasets visible: `datasets/{name}.json`.

use std::collections::BTreeMap;

use agespan_storage::{Artifact, ContentHash, Storage, StorageError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::label::Split;
use crate::split::Fractions;

/// What is written down about a dataset. Everything else is in its manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetRecord {
    /// The dataset's name.
    pub name: String,
    /// SHA-256 of the manifest: two datasets with the same one are the same.
    pub content_hash: ContentHash,
    /// The manifest, as Parquet.
    pub manifest: Artifact,
    /// Which faces belong together, as Parquet. Imports before this was kept have none.
    #[serde(default)]
    pub clusters: Option<Artifact>,
    /// The images, packed.
    pub shards: Vec<Shard>,
    /// When the import was complete, as RFC 3339.
    pub created: String,
    /// The seed of the split.
    pub seed: u64,
    /// The shares of the split.
    pub fractions: Fractions,
    /// The job that imported it, if one did: an attempt that finds the dataset there already can
    /// tell that an earlier attempt of its own job made it.
    #[serde(default)]
    pub job: Option<String>,
    /// Each part's size and identity.
    pub splits: BTreeMap<Split, SplitRecord>,
    /// The number of files kept out, by reason.
    pub quarantined: BTreeMap<String, u64>,
}

/// One tar of images, all of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The part.
    pub split: Split,
    /// The number of images.
    pub images: u64,
    /// The tar.
    pub artifact: Artifact,
}

/// One part's size and identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// The number of faces.
    pub faces: u64,
    /// SHA-256 over the sorted pixel hashes and labels.
    pub hash: ContentHash,
}

impl DatasetRecord {
    /// The number of faces in all parts.
    pub fn faces(&self) -> u64 {
        self.splits.values().map(|split| split.faces).sum()
    }
}

/// Why a dataset cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The name breaks the rule.
    #[error(
        "{0:?} is no dataset name: start with a lower-case letter and go on with up to 62 \
         lower-case letters, digits or hyphens"
    )]
    Name(String),
    /// There is no such dataset.
    #[error("there is no dataset {0}: list the datasets, or import it")]
    NotFound(String),
    /// The storage failed.
    #[error("the dataset's record cannot be reached")]
    Storage(#[from] StorageError),
}

const FOLDER: &str = "datasets";

/// Where a dataset's record is, if `name` fits `^[a-z][a-z0-9-]{0,62}$`.
///
/// # Errors
/// [`RecordError::Name`].
pub fn path(name: &str) -> Result<String, RecordError> {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 63
        && name.bytes().all(inside);
    if fits { Ok(format!("{FOLDER}/{name}.json")) } else { Err(RecordError::Name(name.to_owned())) }
}

/// Reads the record of one dataset.
///
/// # Errors
/// A [`RecordError`].
pub async fn load(storage: &Storage, name: &str) -> Result<DatasetRecord, RecordError> {
    storage.get_json(&path(name)?).await.map_err(|e| match e {
        StorageError::NotFound { .. } => RecordError::NotFound(name.to_owned()),
        e => e.into(),
    })
}

/// The names of all datasets, sorted.
///
/// # Errors
/// [`RecordError::Storage`].
pub async fn names(storage: &Storage) -> Result<Vec<String>, RecordError> {
    let paths = storage.list(FOLDER).await?;
    Ok(paths
        .iter()
        .filter_map(|path| path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".json"))
        // Manifests and shards lie deeper.
        .filter(|name| !name.contains('/'))
        .map(str::to_owned)
        .collect())
}

/// Makes a dataset invisible. Its manifest and shards stay: another dataset, or an import that is
/// under way, may share them.
///
/// # Errors
/// A [`RecordError`].
pub async fn delete(storage: &Storage, name: &str) -> Result<(), RecordError> {
    let path = path(name)?;
    load(storage, name).await?;
    Ok(storage.delete(&path).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let longest = "a".repeat(63);
        for name in ["a", "utkface", "a-1", longest.as_str()] {
            assert!(path(name).is_ok(), "{name}");
        }
        let longer = "a".repeat(64);
        for name in ["", "1a", "-a", "A", "a_b", "a/b", "../a", "ä", "a.json", longer.as_str()] {
            assert!(matches!(path(name), Err(RecordError::Name(_))), "{name}");
        }
    }
}
