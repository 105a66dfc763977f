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
use std::path::{Path, PathBuf};

use agespan_imaging::Limits;
use agespan_storage::{Storage, StorageError};
use tokio::runtime::Handle;

use crate::clean::{self, Examined, Quarantine};
use crate::cluster::{self, Clusters, Face};
use crate::label::Split;
use crate::layout::{Format, Layout};
use crate::manifest::{self, Row};
use crate::record::{self, DatasetRecord, RecordError, SplitRecord};
use crate::source::{Source, SourceLimits};
use crate::split::{self, Fractions};

mod error;
mod examine;
mod packing;
pub(crate) mod shard;

pub use error::ImportError;
use packing::Packing;

/// How an import is done.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportOptions {
    /// How the source is laid out. Default UTKFace.
    pub format: Format,
    /// Label tables to be read instead of those that the source is searched for: paths inside the
    /// source, or files of this machine. Default none.
    pub tables: Vec<PathBuf>,
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
    /// The job that this import is for, written down in the record. Default none.
    pub job: Option<String>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            format: Format::default(),
            tables: Vec::new(),
            seed: 0,
            fractions: Fractions::default(),
            limits: Limits::default(),
            max_files: 2_000_000,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            job: None,
        }
    }
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
    let layout = Layout::open(&options.format, &source, &options.tables)?;
    let mut files = examine::all(&source, &layout, options, &mut watch)?;
    clean::settle(&mut files);
    clean::remove_duplicates(&mut files);
    let (splits, clusters) = deal(&files, options);
    refuse_nothing(&files, &splits)?;
    let rows = files.iter().zip(&splits).map(|(file, split)| to_row(file, *split)).collect();
    let limits = &options.limits;
    let mut packing = Packing { storage, runtime, limits, rows, shards: Vec::new() };
    packing.run(&source, &layout, &files, &mut watch)?;
    packing.rows.extend(missing(&layout, &files));
    let record = describe(name, options, packing, &clusters, &mut watch)?;
    match runtime.block_on(storage.create_json(&record::path(name)?, &record)) {
        Err(StorageError::AlreadyExists { .. }) => Err(ImportError::AlreadyExists(name.to_owned())),
        created => Ok(created.map(|()| record)?),
    }
}

/// The part of each good file, and which of them belong together.
fn deal(files: &[Examined], options: &ImportOptions) -> (Vec<Option<Split>>, Clusters) {
    let good: Vec<(usize, Face<'_>)> =
        files.iter().enumerate().filter_map(|(i, file)| Some((i, face(file)?))).collect();
    let faces: Vec<Face<'_>> = good.iter().map(|(_, face)| *face).collect();
    let groups = cluster::groups(&faces);
    let mut splits = vec![None; files.len()];
    for ((index, _), split) in
        good.iter().zip(split::assign(&faces, &groups, &options.fractions, options.seed))
    {
        splits[*index] = Some(split);
    }
    (splits, Clusters::of(&faces, &groups))
}

fn face(file: &Examined) -> Option<Face<'_>> {
    let (annotation, pixels) = (file.annotation.as_ref()?, file.pixels?);
    file.quarantine.is_none().then_some(Face {
        path: &file.path,
        label: annotation.label,
        timestamp: annotation.timestamp.as_deref(),
        subject: annotation.subject.as_deref(),
        look: pixels.look,
    })
}

/// What label tables speak of and the source does not hold.
fn missing(layout: &Layout, files: &[Examined]) -> Vec<Row> {
    let claims = files.iter().filter_map(|file| file.claim);
    let why = || Quarantine::new("MISSING_FILE", "a label table names it; it is not in the source");
    let row = |(path, label)| Row { label, quarantine: Some(why()), ..Row::of(path) };
    layout.unclaimed(claims).into_iter().map(row).collect()
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
    let annotation = file.annotation.as_ref();
    Row {
        label: annotation.map(|annotation| annotation.label),
        timestamp: annotation.and_then(|annotation| annotation.timestamp.clone()),
        subject: annotation.and_then(|annotation| annotation.subject.clone()),
        pixel_hash: file.pixels.map(|pixels| pixels.hash),
        split,
        quarantine: file.quarantine.clone(),
        ..Row::of(file.path.clone())
    }
}

/// Stores the manifest and says what the dataset is.
fn describe(
    name: &str,
    options: &ImportOptions,
    packing: Packing<'_>,
    clusters: &Clusters,
    watch: &mut Watch<'_>,
) -> Result<DatasetRecord, ImportError> {
    let Packing { storage, runtime, mut rows, shards, .. } = packing;
    let total = rows.len() as u64;
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    watch.step(total, Some(total), "writing the manifest")?;
    let bytes = manifest::write(&rows)?;
    let manifest =
        runtime.block_on(storage.put_artifact("datasets/manifests", "parquet", bytes))?;
    let clusters = runtime.block_on(storage.put_artifact(
        "datasets/clusters",
        "parquet",
        cluster::table::write(clusters)?,
    ))?;
    let reasons = rows.iter().filter_map(|row| row.quarantine.as_ref());
    Ok(DatasetRecord {
        name: name.to_owned(),
        content_hash: manifest.hash,
        manifest,
        clusters: Some(clusters),
        shards,
        created: jiff::Timestamp::now().to_string(),
        seed: options.seed,
        fractions: options.fractions,
        job: options.job.clone(),
        splits: Split::ALL.iter().map(|split| (*split, describe_split(&rows, *split))).collect(),
        quarantined: count(reasons.map(|quarantine| quarantine.reason.as_str())),
    })
}

fn describe_split(rows: &[Row], split: Split) -> SplitRecord {
    let inside = rows.iter().filter(|row| row.split == Some(split));
    let faces: Vec<_> = inside.filter_map(|row| row.pixel_hash.zip(row.label)).collect();
    SplitRecord { faces: faces.len() as u64, hash: split::content_hash(faces) }
}
