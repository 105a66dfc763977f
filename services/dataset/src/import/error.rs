use std::collections::BTreeMap;
use std::io;

use agespan_storage::StorageError;
use thiserror::Error;

use crate::layout::LayoutError;
use crate::manifest::ManifestError;
use crate::record::RecordError;
use crate::source::SourceError;
use crate::split::BadFractions;

/// Why nothing was imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The name breaks the rule, or the record cannot be reached.
    #[error(transparent)]
    Record(RecordError),
    /// There is a dataset of this name.
    #[error("there is a dataset {0} already: choose another name, or delete it first")]
    AlreadyExists(String),
    /// The shares are no shares.
    #[error(transparent)]
    Fractions(#[from] BadFractions),
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The labels cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Every file was quarantined, or there was none.
    #[error(
        "none of the {files} files is usable{}: give a directory, zip or tar of images that are \
         named as the format says",
        most(quarantined)
    )]
    NothingUsable {
        /// The number of files seen.
        files: u64,
        /// How many were kept out, by reason.
        quarantined: BTreeMap<String, u64>,
    },
    /// A file is not what it was when it was looked at.
    #[error("{path} changed during the import: import again when the source is at rest")]
    Changed {
        /// The file's path inside the source.
        path: String,
    },
    /// A shard cannot be packed.
    #[error("{path} cannot be packed: rename the file")]
    Pack {
        /// The file's path inside the source.
        path: String,
        /// What the packer found.
        source: io::Error,
    },
    /// The manifest cannot be written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The storage failed.
    #[error("the dataset cannot be stored")]
    Storage(#[from] StorageError),
    /// The caller asked to stop.
    #[error("the import was cancelled: nothing was imported")]
    Cancelled,
}

impl From<RecordError> for ImportError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Storage(e) => Self::Storage(e),
            e => Self::Record(e),
        }
    }
}

fn most(quarantined: &BTreeMap<String, u64>) -> String {
    let most = quarantined.iter().max_by_key(|(_, count)| **count);
    most.map_or_else(String::new, |(reason, count)| format!(" ({count} of them {reason})"))
}
