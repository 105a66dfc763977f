//! A pipeline's files on this machine, as the directory that they came from.
//!
//! Where the store is a folder of this machine the files are links into it: several gigabytes are
//! there once, and mapped from there. They are as trustworthy as that folder; what is fetched from
//! a bucket is checked against its hash.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use agespan_storage::Storage;

use super::{PipelineError, Record};

/// The directory of a pipeline below `folder`, made where it is not there. It blocks.
pub(super) async fn place(
    storage: &Storage,
    record: &Record,
    folder: &Path,
) -> Result<PathBuf, PipelineError> {
    let target = folder.join(&record.id);
    if is_whole(&target, record) {
        return Ok(target);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PipelineError::Folder { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let fresh = tempfile::tempdir_in(folder).map_err(failed(folder))?;
    for (name, artifact) in &record.files {
        let file = fresh.path().join(name);
        let parent = file.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(failed(parent))?;
        match storage.local_file(&artifact.path) {
            Some(stored) => symlink(stored, &file).map_err(failed(&file))?,
            None => storage.fetch_file(artifact, &file).await?,
        }
    }
    // What is there lacks a file, or it links to a store that was moved.
    match fs::remove_dir_all(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&target)(error));
        }
        _ => {}
    }
    match fs::rename(fresh.path(), &target) {
        Ok(()) => Ok(target),
        // Another process was faster.
        Err(_) if is_whole(&target, record) => Ok(target),
        Err(error) => Err(failed(&target)(error)),
    }
}

fn is_whole(target: &Path, record: &Record) -> bool {
    record.files.iter().all(|(name, artifact)| {
        fs::metadata(target.join(name)).is_ok_and(|found| found.len() == artifact.size)
    })
}
