//! Pipelines in the artifact store.
//!
//! `pipelines/files/{sha256}.{extension}` are the files of all of them, each once;
//! `pipelines/records/{id}.json` say which files make a pipeline, and what it is.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use agespan_models::diffusion::DiffusionError;
use agespan_storage::{Artifact, ContentHash, Hasher, Storage, StorageError};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::shipped;
use crate::engine::{self, DrawError, Shape};

const FILES: &str = "pipelines/files";
const RECORDS: &str = "pipelines/records";

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The beginning of the hash.
    pub id: String,
    /// Over the names and hashes of the files.
    pub hash: ContentHash,
    /// The files, by their path in the directory.
    pub files: BTreeMap<String, Artifact>,
    /// What it is.
    pub shape: Shape,
    /// The id of the pipeline that it was fine-tuned from.
    #[serde(default)]
    pub base: Option<String>,
    /// When it was added.
    pub created: jiff::Timestamp,
}

impl Record {
    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.values().map(|file| file.size).sum()
    }
}

/// Why a pipeline cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// There is no such pipeline.
    #[error("there is no pipeline {0}; list the pipelines, or add one")]
    NotFound(String),
    /// There is none at all.
    #[error("there is no pipeline yet; add a diffusers directory with `agespan pipeline add DIR`")]
    NoneYet,
    /// The directory cannot be loaded.
    #[error("{} cannot be loaded", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<DiffusionError>,
    },
    /// The directory names a file outside of itself.
    #[error("{name:?} is outside of the directory; a pipeline's files must be in it")]
    Outside {
        /// The file.
        name: String,
    },
    /// The pipeline was taken in and cannot be loaded any more.
    #[error("pipeline {id} cannot be loaded")]
    Load {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: Box<DrawError>,
    },
    /// This machine's folder for pipelines cannot be used.
    #[error("{} cannot be written", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The work on a thread of its own was broken off.
    #[error("the work was broken off")]
    BrokenOff(#[from] tokio::task::JoinError),
    /// The store failed.
    #[error("the pipelines cannot be reached")]
    Storage(#[from] StorageError),
}

/// The pipelines of a store.
#[derive(Clone, Debug)]
pub struct Registry {
    storage: Storage,
}

impl Registry {
    /// In this store.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// The store.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Takes in a diffusers directory of this machine, once: the same files get the same record
    /// again.
    ///
    /// # Errors
    /// When it cannot be loaded, or the store fails.
    pub async fn add(&self, path: PathBuf) -> Result<Record, PipelineError> {
        self.add_from(path, None).await
    }

    /// Takes in what a fine-tuning of the pipeline `base` made.
    ///
    /// # Errors
    /// As [`Registry::add`].
    pub async fn add_tuned(&self, path: PathBuf, base: String) -> Result<Record, PipelineError> {
        self.add_from(path, Some(base)).await
    }

    async fn add_from(&self, path: PathBuf, base: Option<String>) -> Result<Record, PipelineError> {
        let (registry, runtime) = (self.clone(), Handle::current());
        let now = jiff::Timestamp::now();
        // Gigabytes are read and hashed; a thread of its own may block for that long.
        let add = move || runtime.block_on(registry.add_here(&path, base, now));
        tokio::task::spawn_blocking(add).await?
    }

    /// Takes in the pipeline that comes with the project. It counts as older than any other, so that
    /// one that somebody added is drawn from in its place.
    ///
    /// # Errors
    /// As [`Registry::add`].
    pub async fn install_shipped(&self) -> Result<Record, PipelineError> {
        let (registry, runtime) = (self.clone(), Handle::current());
        let install = move || {
            // What is there need not be written, loaded and hashed at every start.
            match runtime.block_on(registry.record(&hash(shipped::hashes()).short())) {
                Err(PipelineError::NotFound(_)) => {}
                found => return found,
            }
            let written = tempfile::tempdir()
                .and_then(|folder| shipped::write(folder.path()).map(|()| folder));
            let folder = written
                .map_err(|source| PipelineError::Folder { path: std::env::temp_dir(), source })?;
            let oldest = jiff::Timestamp::UNIX_EPOCH;
            runtime.block_on(registry.add_here(folder.path(), None, oldest))
        };
        tokio::task::spawn_blocking(install).await?
    }

    async fn add_here(
        &self,
        path: &Path,
        base: Option<String>,
        created: jiff::Timestamp,
    ) -> Result<Record, PipelineError> {
        let (shape, names) = engine::inspect(path).map_err(|source| PipelineError::Directory {
            path: path.to_owned(),
            source: source.into(),
        })?;
        let mut files = BTreeMap::new();
        for name in names {
            let shown = name.display().to_string();
            if !name.components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(PipelineError::Outside { name: shown });
            }
            let extension = name.extension().unwrap_or_default().to_string_lossy();
            files.insert(shown, self.storage.put_file(FILES, &extension, &path.join(&name)).await?);
        }
        let hash = hash(files.iter().map(|(name, file)| (name.as_str(), file.hash)));
        let id = hash.short();
        let record = Record { id, hash, files, shape, base, created };
        Ok(self.storage.keep_json(&record_path(&record.id), record).await?)
    }

    /// A pipeline's record.
    ///
    /// # Errors
    /// When it is not there, or the store fails.
    pub async fn record(&self, id: &str) -> Result<Record, PipelineError> {
        self.storage.get_json(&record_path(id)).await.map_err(|error| match error {
            StorageError::NotFound { .. } | StorageError::InvalidPath { .. } => {
                PipelineError::NotFound(id.to_owned())
            }
            other => other.into(),
        })
    }

    /// All pipelines, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Record>, PipelineError> {
        let mut records: Vec<Record> = self.storage.all_json(RECORDS).await?;
        records.sort_by(|left, right| (right.created, &right.id).cmp(&(left.created, &left.id)));
        Ok(records)
    }

    /// The newest pipeline.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn newest(&self) -> Result<Record, PipelineError> {
        self.list().await?.into_iter().next().ok_or(PipelineError::NoneYet)
    }
}

fn record_path(id: &str) -> String {
    format!("{RECORDS}/{id}.json")
}

/// Over "{name}\0{sha256}\n" of each file, by name.
fn hash<'a>(files: impl Iterator<Item = (&'a str, ContentHash)>) -> ContentHash {
    let mut hasher = Hasher::new();
    for (name, hash) in files {
        hasher.update(format!("{name}\0{hash}\n").as_bytes());
    }
    hasher.finish()
}
