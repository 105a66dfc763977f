//! From a stranger's archive to a dataset.
//!
//! The source is read twice: once to look at every file, once to pack the good ones. Which are
//! good, and in which part, is known only after all were seen, and keeping an archive's bytes
//! until then would need memory or disk without bound. The second pass checks that each file is
//! still the one that was looked at.
//!
//! Until the record is created, as the very last step, nothing of an import is visible. One that
//! is killed leaves at most some shards without a name, which the next attempt finds and reuses.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use agespan_imaging::Limits;
use agespan_storage::{ContentHash, Storage, StorageError};
use thiserror::Error;
use tokio::runtime::Handle;

use crate::clean::{self, Examined};
use crate::label::Split;
use crate::manifest::{self, ManifestError, Row};
use crate::pack::{self, Packer};
use crate::record::{self, DatasetRecord, RecordError, Shard, SplitRecord};
use crate::source::{Content, InputFile, Source, SourceError, SourceLimits};
use crate::split::{self, BadFractions, Face, Fractions};

mod examine;

/// How an import is done.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportOptions {
    /// Decides which face goes to which part. Default 0.
    pub seed: u64,
    /// The parts' shares. Default 0.70, 0.08, 0.11, 0.11.
    pub fractions: Fractions,
    /// What an image may cost.
    pub limits: Limits,
    /// The most files in the source. Default two million.
    pub max_files: u64,
    /// Threads that decode. Default one for each core.
    pub threads: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            fractions: Fractions::default(),
            limits: Limits::default(),
            max_files: 2_000_000,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

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
    /// Every file was quarantined, or there was none.
    #[error(
        "none of the {files} files is usable{}: give a directory, zip or tar of images named \
         age_gender_race_timestamp.jpg",
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

/// How an import tells what it does and learns that it should stop.
pub struct Watch<'a> {
    /// Called with the files done, all files when their number is known, and the step.
    pub progress: &'a mut dyn FnMut(u64, Option<u64>, &str),
    /// Asked before each file.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl Watch<'_> {
    fn step(&mut self, done: u64, total: Option<u64>, step: &str) -> Result<(), ImportError> {
        if (self.cancelled)() {
            return Err(ImportError::Cancelled);
        }
        (self.progress)(done, total, step);
        Ok(())
    }
}

/// Imports a directory, zip or tar as the dataset `name`. The same source, options and name give
/// the same manifest and shards, byte for byte.
///
/// Blocks for as long as it takes; from async code, call it by `spawn_blocking`. `runtime` drives
/// the storage.
///
/// # Errors
/// An [`ImportError`]; nothing is visible then.
pub fn import(
    source: &Path,
    name: &str,
    options: &ImportOptions,
    storage: &Storage,
    runtime: &Handle,
    mut watch: Watch<'_>,
) -> Result<DatasetRecord, ImportError> {
    options.fractions.check()?;
    // Found out now rather than after an hour of work; creation checks again.
    match runtime.block_on(record::load(storage, name)) {
        Ok(_) => return Err(ImportError::AlreadyExists(name.to_owned())),
        Err(RecordError::NotFound(_)) => {}
        Err(e) => return Err(e.into()),
    }
    let limits = SourceLimits {
        max_file_bytes: options.limits.max_bytes as u64,
        max_files: options.max_files,
    };
    let source = Source::open(source, limits)?;
    let mut files = examine::all(&source, options, &mut watch)?;
    clean::remove_duplicates(&mut files);
    let splits = deal(&files, options);
    refuse_nothing(&files, &splits)?;
    let rows = files.iter().zip(&splits).map(|(file, split)| to_row(file, *split)).collect();
    let mut packing = Packing { storage, runtime, rows, shards: Vec::new() };
    packing.run(&source, &files, &mut watch)?;
    let record = describe(name, options, packing, &mut watch)?;
    match runtime.block_on(storage.create_json(&record::path(name)?, &record)) {
        Err(StorageError::AlreadyExists { .. }) => Err(ImportError::AlreadyExists(name.to_owned())),
        created => Ok(created.map(|()| record)?),
    }
}

/// The part of each good file.
fn deal(files: &[Examined], options: &ImportOptions) -> Vec<Option<Split>> {
    let good: Vec<(usize, Face<'_>)> =
        files.iter().enumerate().filter_map(|(i, file)| Some((i, face(file)?))).collect();
    let faces: Vec<Face<'_>> = good.iter().map(|(_, face)| *face).collect();
    let mut splits = vec![None; files.len()];
    for ((index, _), split) in
        good.iter().zip(split::assign(&faces, &options.fractions, options.seed))
    {
        splits[*index] = Some(split);
    }
    splits
}

fn face(file: &Examined) -> Option<Face<'_>> {
    let (name, pixels) = (file.name.as_ref()?, file.pixels?);
    file.quarantine.is_none().then_some(Face {
        path: &file.path,
        label: name.label,
        timestamp: &name.timestamp,
        look: pixels.look,
    })
}

fn refuse_nothing(files: &[Examined], splits: &[Option<Split>]) -> Result<(), ImportError> {
    if splits.iter().any(Option::is_some) {
        return Ok(());
    }
    let reasons = files.iter().filter_map(|file| file.quarantine.as_ref());
    let quarantined = count(reasons.map(|quarantine| quarantine.reason.as_str()));
    Err(ImportError::NothingUsable { files: files.len() as u64, quarantined })
}

pub(crate) fn count<'a>(reasons: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    reasons.for_each(|reason| *counts.entry(reason.to_owned()).or_default() += 1);
    counts
}

fn to_row(file: &Examined, split: Option<Split>) -> Row {
    Row {
        path: file.path.clone(),
        label: file.name.as_ref().map(|name| name.label),
        timestamp: file.name.as_ref().map(|name| name.timestamp.clone()),
        pixel_hash: file.pixels.map(|pixels| pixels.hash),
        split,
        quarantine: file.quarantine.clone(),
        place: None,
    }
}

/// The second pass.
struct Packing<'a> {
    storage: &'a Storage,
    runtime: &'a Handle,
    rows: Vec<Row>,
    shards: Vec<Shard>,
}

impl Packing<'_> {
    fn run(
        &mut self,
        source: &Source,
        files: &[Examined],
        watch: &mut Watch<'_>,
    ) -> Result<(), ImportError> {
        // One open shard for each part: whoever wants one part then reads no other.
        let mut open: BTreeMap<Split, Packer> =
            Split::ALL.iter().map(|split| (*split, Packer::new())).collect();
        let (mut index, total) = (0, files.len());
        source.visit(|file| {
            let examined = files.get(index).filter(|examined| examined.path == file.path);
            let examined = examined.ok_or_else(|| changed(&file.path))?;
            watch.step(index as u64, Some(total as u64), "packing images")?;
            if let Some(split) = self.rows[index].split {
                let packer = open.entry(split).or_insert_with(Packer::new);
                put(packer, index, &file, examined)?;
                if packer.is_full() {
                    self.close(split, std::mem::replace(packer, Packer::new()))?;
                }
            }
            index += 1;
            Ok::<(), ImportError>(())
        })?;
        if let Some(missing) = files.get(index) {
            return Err(changed(&missing.path));
        }
        for (split, packer) in open.into_iter().filter(|(_, packer)| !packer.is_empty()) {
            self.close(split, packer)?;
        }
        self.shards.sort_by_key(|shard| shard.split); // stable: in the order of packing
        Ok(())
    }

    /// Stores a shard; only now its path, and with it the place of its images, is known.
    fn close(&mut self, split: Split, packer: Packer) -> Result<(), ImportError> {
        let (bytes, inside) = packer
            .finish()
            .map_err(|source| ImportError::Pack { path: format!("a shard of {split}"), source })?;
        let stored = self.storage.put_artifact("datasets/shards", "tar", bytes);
        let artifact = self.runtime.block_on(stored)?;
        for (row, offset, length) in &inside {
            self.rows[*row].place = Some(pack::place(&artifact.path, *offset, *length));
        }
        self.shards.push(Shard { split, images: inside.len() as u64, artifact });
        Ok(())
    }
}

fn put(
    packer: &mut Packer,
    index: usize,
    file: &InputFile,
    examined: &Examined,
) -> Result<(), ImportError> {
    match &file.content {
        Content::Bytes(bytes) if Some(ContentHash::of(bytes)) == examined.file_hash => packer
            .push(index, &file.path, bytes)
            .map_err(|source| ImportError::Pack { path: file.path.clone(), source }),
        _ => Err(changed(&file.path)),
    }
}

fn changed(path: &str) -> ImportError {
    ImportError::Changed { path: path.to_owned() }
}

/// Stores the manifest and says what the dataset is.
fn describe(
    name: &str,
    options: &ImportOptions,
    packing: Packing<'_>,
    watch: &mut Watch<'_>,
) -> Result<DatasetRecord, ImportError> {
    let Packing { storage, runtime, mut rows, shards } = packing;
    let total = rows.len() as u64;
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    watch.step(total, Some(total), "writing the manifest")?;
    let bytes = manifest::write(&rows)?;
    let manifest =
        runtime.block_on(storage.put_artifact("datasets/manifests", "parquet", bytes))?;
    let reasons = rows.iter().filter_map(|row| row.quarantine.as_ref());
    Ok(DatasetRecord {
        name: name.to_owned(),
        content_hash: manifest.hash,
        manifest,
        shards,
        created: jiff::Timestamp::now().to_string(),
        seed: options.seed,
        fractions: options.fractions,
        splits: Split::ALL.iter().map(|split| (*split, describe_split(&rows, *split))).collect(),
        quarantined: count(reasons.map(|quarantine| quarantine.reason.as_str())),
    })
}

fn describe_split(rows: &[Row], split: Split) -> SplitRecord {
    let inside = rows.iter().filter(|row| row.split == Some(split));
    let faces: Vec<_> = inside.filter_map(|row| row.pixel_hash.zip(row.label)).collect();
    SplitRecord { faces: faces.len() as u64, hash: split::content_hash(faces) }
}
