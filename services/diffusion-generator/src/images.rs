//! Drawn images in the artifact store.
//!
//! `generated/images/{sha256}.png` are the files; `generated/jobs/{job}/{index}.json` say which is
//! the job's image of that index. A record is written after its file and only once: of two workers
//! that draw the same image, the second finds it there, and both have drawn the same bytes anyway.

use agespan_storage::{Artifact, Storage, StorageError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::engine::Safety;

const IMAGES: &str = "generated/images";
const TRACES: &str = "generated/traces";
const NOISE: &str = "generated/noise";

/// An image of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its file.
    pub artifact: Artifact,
    /// What is known of it.
    #[serde(flatten)]
    pub facts: Facts,
    /// Every step's latents, where they were asked for.
    pub trace: Option<Artifact>,
}

/// What is known of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What it was drawn from.
    pub seed: u64,
    /// What the caller may not expect.
    pub warnings: Vec<String>,
    // Images of before faces were counted were drawn once.
    /// How many draws were made.
    #[serde(default = "once")]
    pub draws: u32,
    /// Which of them it is, from 1.
    #[serde(default = "once")]
    pub draw: u32,
    /// How many faces it shows; none when they were not counted.
    #[serde(default)]
    pub faces: Option<u32>,
    /// What the safety checker said; none where the pipeline has none.
    #[serde(default)]
    pub safety: Option<Safety>,
}

fn once() -> u32 {
    1
}

/// The images of all jobs.
#[derive(Clone, Debug)]
pub struct Images {
    storage: Storage,
}

impl Images {
    /// In this store.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// A job's image, once it is drawn.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, job: &str, index: u32) -> Result<Option<Image>, StorageError> {
        match self.storage.get_json(&path(job, index)).await {
            Ok(image) => Ok(Some(image)),
            Err(StorageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a file and its trace, and then says that they are the job's image of that index.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn insert(
        &self,
        job: &str,
        index: u32,
        (file, trace): (Vec<u8>, Option<Vec<u8>>),
        facts: Facts,
    ) -> Result<(), StorageError> {
        let artifact = self.storage.put_artifact(IMAGES, "png", file.into()).await?;
        let trace = match trace {
            Some(bytes) => {
                Some(self.storage.put_artifact(TRACES, "safetensors", bytes.into()).await?)
            }
            None => None,
        };
        let image = Image { artifact, facts, trace };
        match self.storage.create_json(&path(job, index), &image).await {
            Ok(()) | Err(StorageError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a file or a trace.
    ///
    /// # Errors
    /// When it is damaged or the store fails.
    pub async fn bytes(&self, artifact: &Artifact) -> Result<Bytes, StorageError> {
        self.storage.get_artifact(artifact).await
    }

    /// Keeps the noise that a caller brings.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_noise(&self, bytes: Bytes) -> Result<Artifact, StorageError> {
        self.storage.put_artifact(NOISE, "safetensors", bytes).await
    }
}

fn path(job: &str, index: u32) -> String {
    format!("generated/jobs/{job}/{index:06}.json")
}
