use std::fs::{self, File, FileType};
use std::io;
use std::path::Path;

use super::entry::{self, EntryKind};
use super::{Content, InputFile, SourceError, SourceLimits};

/// All files below `root`, as sorted paths relative to it.
pub(super) fn list(root: &Path, limits: &SourceLimits) -> Result<Vec<String>, SourceError> {
    let (mut paths, mut files) = (Vec::new(), 0);
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for (path, kind) in read_folder(root, &folder)? {
            entry::check(&path, kind)?;
            if kind == EntryKind::Folder {
                folders.push(path);
            } else {
                entry::count(&mut files, limits.max_files)?;
                paths.push(path);
            }
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn read_folder(root: &Path, folder: &str) -> Result<Vec<(String, EntryKind)>, SourceError> {
    let path = root.join(folder);
    let read = || -> io::Result<Vec<_>> {
        fs::read_dir(&path)?
            .map(|found| {
                let found = found?;
                let name = found.file_name().to_string_lossy().into_owned();
                let inside = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                // The type of the entry itself: a link is not followed.
                Ok((inside, kind(found.file_type()?)))
            })
            .collect()
    };
    read().map_err(|source| SourceError::Unreadable { path: path.clone(), source })
}

fn kind(file_type: FileType) -> EntryKind {
    if file_type.is_symlink() {
        EntryKind::Link
    } else if file_type.is_dir() {
        EntryKind::Folder
    } else if file_type.is_file() {
        EntryKind::File
    } else {
        EntryKind::Special
    }
}

pub(super) fn visit<E: From<SourceError>>(
    root: &Path,
    paths: &[String],
    limits: &SourceLimits,
    each: &mut impl FnMut(InputFile) -> Result<(), E>,
) -> Result<(), E> {
    for path in paths {
        let content = File::open(root.join(path))
            .and_then(|file| Content::read(file, limits))
            .unwrap_or_else(|e| Content::Unreadable(e.to_string()));
        each(InputFile { path: path.clone(), content })?;
    }
    Ok(())
}
