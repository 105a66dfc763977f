use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipResult;

use super::entry::{self, EntryKind};
use super::{Content, InputFile, SourceError, SourceLimits};

/// All files of the archive with their indices, sorted by path. A zip's directory stands at its
/// end, so that an unsafe path is found before anything is read.
pub(super) fn list(
    path: &Path,
    limits: &SourceLimits,
) -> Result<Vec<(String, usize)>, SourceError> {
    let archive = open(path)?;
    let (mut entries, mut files) = (Vec::new(), 0);
    for index in 0..archive.len() {
        let (name, kind) = describe(&archive, index).map_err(|e| damaged(path, e))?;
        entry::check(&name, kind)?;
        if kind == EntryKind::File {
            entry::count(&mut files, limits.max_files)?;
            entries.push((name, index));
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

pub(super) fn visit<E: From<SourceError>>(
    path: &Path,
    entries: &[(String, usize)],
    limits: &SourceLimits,
    each: &mut impl FnMut(InputFile) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = open(path)?;
    for (name, index) in entries {
        // A wrong checksum or an unknown compression spoils one entry, not the archive.
        let content = match archive.by_index(*index) {
            Ok(file) => {
                Content::read(file, limits).unwrap_or_else(|e| Content::Unreadable(e.to_string()))
            }
            Err(e) => Content::Unreadable(e.to_string()),
        };
        each(InputFile { path: name.clone(), content })?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>, SourceError> {
    let file = File::open(path)
        .map_err(|source| SourceError::Unreadable { path: path.to_owned(), source })?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(path, e))
}

fn describe(archive: &ZipArchive<BufReader<File>>, index: usize) -> ZipResult<(String, EntryKind)> {
    let entry = archive.by_index_data(index)?;
    let kind = if entry.is_symlink() {
        EntryKind::Link
    } else if entry.is_dir() {
        EntryKind::Folder
    } else {
        EntryKind::File
    };
    Ok((entry.name()?.into_owned(), kind))
}

fn damaged(path: &Path, source: zip::result::ZipError) -> SourceError {
    SourceError::Damaged { path: path.to_owned(), source: Box::new(source) }
}
