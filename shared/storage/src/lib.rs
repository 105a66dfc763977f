//! Where large bytes live: datasets, weights, calibrations, images and reports.
//!
//! One directory by default, S3, Google Cloud Storage or Azure by URL, behind the same few
//! methods. The major parts are:
//!
//! * [`Storage`]: reads and writes objects by path. Bytes are stored under the hash of their
//!   content and never change; small JSON records point to them and are replaced or created
//!   atomically, so that a reader sees an object whole or not at all;
//! * [`Storage::put_file`] and [`Storage::fetch_file`]: the same for files that are too large for
//!   memory;
//! * [`Artifact`] and [`ContentHash`]: what a record keeps about stored bytes, enough to find them
//!   and to notice damage;
//! * [`StorageError`]: by what a caller can do about it.

mod artifact;
mod error;
mod files;
mod hash;
mod location;
mod storage;

pub use artifact::Artifact;
pub use error::{Result, StorageError};
pub use hash::{ContentHash, Hasher, ParseHashError};
pub use storage::Storage;
