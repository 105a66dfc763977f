use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use crate::{Result, StorageError};

/// A store, and the path inside it below which everything is kept.
pub(crate) type Opened = (Arc<dyn ObjectStore>, Path);

/// Schemes whose credentials and endpoints come as options.
const REMOTE: [&str; 9] = ["s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "https"];

pub(crate) fn open(
    location: &str,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<Opened> {
    let opened = match location.split_once("://") {
        None => directory(PathBuf::from(location)),
        Some(("file", path)) => directory(PathBuf::from(path)),
        Some((scheme, _)) if REMOTE.contains(&scheme) => remote(location, options),
        Some((scheme, _)) => Err(format!("{scheme}:// is not supported").into()),
    };
    opened.map_err(|source| StorageError::Location { location: location.to_owned(), source })
}

/// The directory of a location that is one, once it was opened.
pub(crate) fn directory_of(location: &str) -> Option<PathBuf> {
    let path = match location.split_once("://") {
        None => location,
        Some(("file", path)) => path,
        Some(_) => return None,
    };
    fs::canonicalize(path).ok()
}

type Attempt = std::result::Result<Opened, Box<dyn Error + Send + Sync>>;

fn directory(path: PathBuf) -> Attempt {
    if path.as_os_str().is_empty() {
        return Err("the path is empty".into());
    }
    fs::create_dir_all(&path)?;
    // A record must not outlive a power cut that its shards did not survive.
    let store = LocalFileSystem::new_with_prefix(&path)?.with_fsync(true);
    Ok((Arc::new(store), Path::default()))
}

fn remote(location: &str, options: impl IntoIterator<Item = (String, String)>) -> Attempt {
    let Ok(url) = location.parse() else {
        return Err("this is no URL".into());
    };
    let (store, root) = object_store::parse_url_opts(&url, options)?;
    Ok((Arc::from(store), root))
}
