use thiserror::Error;

use crate::ContentHash;

/// The result of an operation on a [`Storage`](crate::Storage).
pub type Result<T> = std::result::Result<T, StorageError>;

/// Why an operation on the storage failed. What lies below is in `source()`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The storage cannot be opened at this place.
    #[error(
        "cannot open the storage at {location}: give a directory that can be written, or an \
         s3://, gs:// or az:// URL with its credentials"
    )]
    Location {
        /// The place as it was given.
        location: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no object at this path.
    #[error("there is nothing at {path}: check the name, or make it first")]
    NotFound {
        /// The object's path.
        path: String,
    },
    /// The object was to be created and is there already.
    #[error("{path} exists already: choose another name, or delete it first")]
    AlreadyExists {
        /// The object's path.
        path: String,
    },
    /// The bytes are not those that were stored.
    #[error(
        "{path} is damaged, its SHA-256 is {actual} and should be {expected}: restore it from a \
         backup or make it again"
    )]
    HashMismatch {
        /// The object's path.
        path: String,
        /// The hash on record.
        expected: ContentHash,
        /// The hash of what is there.
        actual: ContentHash,
    },
    /// The object is no JSON of the expected form.
    #[error("{path} cannot be understood: it may be damaged or written by another version")]
    Malformed {
        /// The object's path.
        path: String,
        /// Where the text departs from what was expected.
        source: serde_json::Error,
    },
    /// A value has no JSON form, such as a map with keys that are no strings.
    #[error("the record for {path} cannot be written as JSON")]
    Unwritable {
        /// The object's path.
        path: String,
        /// What has no JSON form.
        source: serde_json::Error,
    },
    /// The text cannot be the path of an object.
    #[error("{path:?} is no path of an object: use names without '..', parted by single slashes")]
    InvalidPath {
        /// The text as it was given.
        path: String,
        /// What is wrong with it.
        source: object_store::path::Error,
    },
    /// A file of this machine, to be stored or to be fetched, could not be read or written.
    #[error("{} could not be {operation}", path.display())]
    File {
        /// What was tried: "read" or "written".
        operation: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The storage did not do it: disk full, no permission, network away.
    #[error("the storage could not {operation} {path}: check that it is reachable and writable")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The object's path.
        path: String,
        /// What the storage answered.
        source: object_store::Error,
    },
}

impl StorageError {
    pub(crate) fn from_store(
        operation: &'static str,
        path: &str,
        source: object_store::Error,
    ) -> Self {
        let path = path.to_owned();
        match source {
            object_store::Error::NotFound { .. } => Self::NotFound { path },
            object_store::Error::AlreadyExists { .. } => Self::AlreadyExists { path },
            source => Self::Unavailable { operation, path, source },
        }
    }
}
