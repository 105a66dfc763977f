//! A dataset's rows and images.

use std::collections::BTreeMap;

use agespan_storage::{Storage, StorageError};
use bytes::Bytes;
use thiserror::Error;

use crate::cluster::{self, Clusters};
use crate::label::Split;
use crate::manifest::{self, ManifestError, Row};
use crate::record::{self, DatasetRecord, RecordError, Shard};
use crate::statistics::Statistics;

/// Why rows or images cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// The dataset is not there.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The manifest cannot be understood.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A manifest or shard cannot be reached.
    #[error("the dataset's files cannot be reached")]
    Storage(#[from] StorageError),
    /// A row's place is not inside its shard, or a quarantined row was asked for.
    #[error("there are no bytes for {path}: ask for rows that are not quarantined")]
    NoBytes {
        /// The row's path.
        path: String,
    },
}

/// An opened dataset. The manifest is in memory, images are read when they are asked for.
#[derive(Clone, Debug)]
pub struct Samples {
    storage: Storage,
    record: DatasetRecord,
    rows: Vec<Row>,
    clusters: Clusters,
}

impl Samples {
    /// Opens a dataset by its name.
    ///
    /// # Errors
    /// A [`SamplesError`].
    pub async fn open(storage: &Storage, name: &str) -> Result<Self, SamplesError> {
        let record = record::load(storage, name).await?;
        let rows = manifest::read(storage.get_artifact(&record.manifest).await?)?;
        let clusters = match &record.clusters {
            Some(table) => cluster::table::read(storage.get_artifact(table).await?)?,
            None => Clusters::default(),
        };
        Ok(Self { storage: storage.clone(), record, rows, clusters })
    }

    /// The dataset's record.
    pub fn record(&self) -> &DatasetRecord {
        &self.record
    }

    /// Every file of the source, quarantined ones included, by path.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The first row of a path.
    pub fn find(&self, path: &str) -> Option<&Row> {
        let at = self.rows.partition_point(|row| row.path.as_str() < path);
        self.rows.get(at).filter(|row| row.path == path)
    }

    /// Which faces belong together.
    pub fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// The faces of one part, or of all, by path.
    pub fn faces(&self, split: Option<Split>) -> impl Iterator<Item = &Row> {
        let inside = move |row: &&Row| match split {
            None => row.split.is_some(),
            some => row.split == some,
        };
        self.rows.iter().filter(inside)
    }

    /// Counts.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.rows, &self.clusters)
    }

    /// The original bytes of one face, by a range read. For a whole part, see [`Samples::shards`].
    ///
    /// # Errors
    /// A [`SamplesError`].
    pub async fn image(&self, row: &Row) -> Result<Bytes, SamplesError> {
        let no_bytes = || SamplesError::NoBytes { path: row.path.clone() };
        let place = row.place.as_ref().ok_or_else(no_bytes)?;
        let end = place.offset.checked_add(place.length).ok_or_else(no_bytes)?;
        let bytes = self.storage.get_range(&place.shard, place.offset..end).await?;
        if bytes.len() as u64 == place.length { Ok(bytes) } else { Err(no_bytes()) }
    }

    /// The shards that hold one part, or all.
    pub fn shards(&self, split: Option<Split>) -> impl Iterator<Item = &Shard> {
        self.record.shards.iter().filter(move |shard| split.is_none_or(|s| s == shard.split))
    }

    /// Reads one shard, about 32 MiB, makes sure that it is undamaged, and returns its faces in
    /// the order in which they lie in it. The bytes share the shard's memory. Faces lie by path,
    /// which in UTKFace means by age: shuffle them before training.
    ///
    /// # Errors
    /// A [`SamplesError`].
    pub async fn read_shard(&self, shard: &Shard) -> Result<Vec<(&Row, Bytes)>, SamplesError> {
        let tar = self.storage.get_artifact(&shard.artifact).await?;
        self.inside(shard).into_values().map(|row| Ok((row, cut(row, &tar)?))).collect()
    }

    /// The rows of a shard by the offset of their bytes.
    fn inside(&self, shard: &Shard) -> BTreeMap<u64, &Row> {
        let offset = |row: &Row| {
            row.place.as_ref().filter(|p| p.shard == shard.artifact.path).map(|p| p.offset)
        };
        self.rows.iter().filter_map(|row| Some((offset(row)?, row))).collect()
    }
}

fn cut(row: &Row, tar: &Bytes) -> Result<Bytes, SamplesError> {
    let range = || {
        let place = row.place.as_ref()?;
        let start = usize::try_from(place.offset).ok()?;
        let end = start.checked_add(usize::try_from(place.length).ok()?)?;
        (end <= tar.len()).then_some(start..end)
    };
    let range = range().ok_or_else(|| SamplesError::NoBytes { path: row.path.clone() })?;
    Ok(tar.slice(range))
}
