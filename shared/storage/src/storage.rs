use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Artifact, ContentHash, Result, StorageError, location};

/// A directory or a bucket that holds artifacts and records.
///
/// Clones share the connection. Every write is atomic: a reader, or a process that starts after
/// a crash, finds an object whole or not at all.
#[derive(Clone)]
pub struct Storage {
    pub(crate) store: Arc<dyn ObjectStore>,
    root: Path,
    location: Arc<str>,
    directory: Option<PathBuf>,
}

impl Storage {
    /// Opens a directory (created when it is missing) or a `file://`, `s3://`, `gs://` or
    /// `az://` URL that needs no options.
    ///
    /// # Errors
    /// [`StorageError::Location`].
    pub fn open(location: &str) -> Result<Self> {
        Self::open_with(location, [])
    }

    /// Opens a location with options, such as `aws_access_key_id` or `endpoint`, by the names
    /// that `object_store` gives them. Names unknown to the location's kind are ignored, so
    /// that one configuration may hold those of several.
    ///
    /// # Errors
    /// [`StorageError::Location`].
    pub fn open_with(
        location: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let (store, root) = location::open(location, options)?;
        let directory = location::directory_of(location);
        Ok(Self { store, root, location: location.into(), directory })
    }

    /// The place as it was given to [`Storage::open`].
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The file that holds an object, where the storage is a directory of this machine.
    pub fn local_file(&self, path: &str) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(path))
    }

    /// Stores bytes as `{folder}/{sha256}.{extension}`. Nothing is written when they are there
    /// already, so a repeated step costs only the hash.
    ///
    /// # Errors
    /// [`StorageError::InvalidPath`] or [`StorageError::Unavailable`].
    pub async fn put_artifact(
        &self,
        folder: &str,
        extension: &str,
        bytes: Bytes,
    ) -> Result<Artifact> {
        let hash = ContentHash::of(&bytes);
        let path = format!("{folder}/{hash}.{extension}");
        let size = bytes.len() as u64;
        // Another length under the right name is damage from outside: written anew.
        if self.size(&path).await? != Some(size) {
            self.put(&path, bytes, PutMode::Overwrite).await?;
        }
        Ok(Artifact { path, hash, size })
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// [`StorageError::NotFound`], [`StorageError::InvalidPath`] or
    /// [`StorageError::Unavailable`].
    pub async fn get(&self, path: &str) -> Result<Bytes> {
        let failed = |e| StorageError::from_store("read", path, e);
        let found = self.store.get(&self.resolve(path)?).await.map_err(failed)?;
        found.bytes().await.map_err(failed)
    }

    /// Reads an artifact and makes sure that it is what was stored.
    ///
    /// # Errors
    /// Those of [`Storage::get`], and [`StorageError::HashMismatch`].
    pub async fn get_artifact(&self, artifact: &Artifact) -> Result<Bytes> {
        let bytes = self.get(&artifact.path).await?;
        let actual = ContentHash::of(&bytes);
        if actual != artifact.hash {
            return Err(StorageError::HashMismatch {
                path: artifact.path.clone(),
                expected: artifact.hash,
                actual,
            });
        }
        Ok(bytes)
    }

    /// Reads a part of an object, in bytes from its start.
    ///
    /// # Errors
    /// Those of [`Storage::get`]. A range that begins past the end is
    /// [`StorageError::Unavailable`]; one that ends past it is cut there.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let resolved = self.resolve(path)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let read = self.store.get_range(&resolved, range).await;
        read.map_err(|e| StorageError::from_store("read", path, e))
    }

    /// Writes a record, in place of any that was there.
    ///
    /// # Errors
    /// [`StorageError::Unwritable`], [`StorageError::InvalidPath`] or
    /// [`StorageError::Unavailable`].
    pub async fn put_json<T: Serialize>(&self, path: &str, value: &T) -> Result<()> {
        self.put(path, to_json(path, value)?, PutMode::Overwrite).await
    }

    /// Writes a record that must not be there yet. Of several callers at once, one succeeds.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`], and those of [`Storage::put_json`].
    pub async fn create_json<T: Serialize>(&self, path: &str, value: &T) -> Result<()> {
        self.put(path, to_json(path, value)?, PutMode::Create).await
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`StorageError::Malformed`], and those of [`Storage::get`].
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let bytes = self.get(path).await?;
        serde_json::from_slice(&bytes)
            .map_err(|source| StorageError::Malformed { path: path.to_owned(), source })
    }

    /// Writes a record, or gives the one that is there already: a repeated step gives the same.
    ///
    /// # Errors
    /// Those of [`Storage::put_json`] and [`Storage::get_json`].
    pub async fn keep_json<T: Serialize + DeserializeOwned>(
        &self,
        path: &str,
        value: T,
    ) -> Result<T> {
        match self.create_json(path, &value).await {
            Ok(()) => Ok(value),
            Err(StorageError::AlreadyExists { .. }) => self.get_json(path).await,
            Err(error) => Err(error),
        }
    }

    /// Reads all records below a folder, in order of path.
    ///
    /// # Errors
    /// Those of [`Storage::list`] and [`Storage::get_json`].
    pub async fn all_json<T: DeserializeOwned>(&self, folder: &str) -> Result<Vec<T>> {
        let mut records = Vec::new();
        for path in self.list(folder).await? {
            records.push(self.get_json(&path).await?);
        }
        Ok(records)
    }

    /// The paths of all objects below a folder, sorted. An empty prefix means everything.
    ///
    /// # Errors
    /// [`StorageError::InvalidPath`] or [`StorageError::Unavailable`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let folder = self.resolve(prefix)?;
        let found = self.store.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let found = found.map_err(|e| StorageError::from_store("list", prefix, e))?;
        let mut paths: Vec<_> = found.iter().filter_map(|o| self.relative(&o.location)).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// Deletes an object. Object stores succeed when it was not there; so does this.
    ///
    /// # Errors
    /// [`StorageError::InvalidPath`] or [`StorageError::Unavailable`].
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&self.resolve(path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(StorageError::from_store("delete", path, e)),
        }
    }

    async fn put(&self, path: &str, bytes: Bytes, mode: PutMode) -> Result<()> {
        let written = self.store.put_opts(&self.resolve(path)?, bytes.into(), mode.into()).await;
        written.map_err(|e| StorageError::from_store("write", path, e))?;
        Ok(())
    }

    /// The size of an object, `None` when there is none.
    pub(crate) async fn size(&self, path: &str) -> Result<Option<u64>> {
        match self.store.head(&self.resolve(path)?).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(StorageError::from_store("look up", path, e)),
        }
    }

    pub(crate) fn resolve(&self, path: &str) -> Result<Path> {
        let below = Path::parse(path)
            .map_err(|source| StorageError::InvalidPath { path: path.to_owned(), source })?;
        Ok(self.root.parts().chain(below.parts()).collect())
    }

    fn relative(&self, location: &Path) -> Option<String> {
        let parts: Path = location.prefix_match(&self.root)?.collect();
        Some(parts.to_string())
    }
}

fn to_json<T: Serialize>(path: &str, value: &T) -> Result<Bytes> {
    // Indented: people look into records, and they are small.
    serde_json::to_vec_pretty(value)
        .map(Bytes::from)
        .map_err(|source| StorageError::Unwritable { path: path.to_owned(), source })
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("location", &self.location).finish_non_exhaustive()
    }
}
