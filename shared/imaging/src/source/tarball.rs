use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::entry::{self, EntryKind};
use super::{Content, InputFile, SourceError, SourceLimits};

pub(super) fn visit<E: From<SourceError>>(
    path: &Path,
    gzip: bool,
    limits: &SourceLimits,
    each: &mut impl FnMut(InputFile) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |source: io::Error| SourceError::Damaged {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let file = File::open(path)
        .map_err(|source| SourceError::Unreadable { path: path.to_owned(), source })?;
    let mut archive = Archive::new(unpacked(file, gzip));
    let mut files = 0;
    for entry in archive.entries().map_err(damaged)? {
        if let Some(file) = read(entry.map_err(damaged)?, limits, &mut files, &damaged)? {
            each(file)?;
        }
    }
    Ok(())
}

fn unpacked(file: File, gzip: bool) -> Box<dyn Read> {
    let file = BufReader::new(file);
    if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }
}

/// `None` for what is no file. A read error here means that the stream is out of step, unlike in
/// a zip: what follows could not be found, so the archive is damaged as a whole.
fn read(
    entry: Entry<'_, impl Read>,
    limits: &SourceLimits,
    files: &mut u64,
    damaged: &impl Fn(io::Error) -> SourceError,
) -> Result<Option<InputFile>, SourceError> {
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let kind = kind(entry.header().entry_type());
    let Some(kind) = kind else {
        return Ok(None);
    };
    entry::check(&path, kind)?;
    if kind != EntryKind::File {
        return Ok(None);
    }
    entry::count(files, limits.max_files)?;
    let content = Content::read(entry, limits).map_err(damaged)?;
    Ok(Some(InputFile { path, content }))
}

/// `None` for the notes that `git archive` and others put between the entries.
fn kind(entry_type: EntryType) -> Option<EntryKind> {
    match entry_type {
        EntryType::Regular | EntryType::Continuous => Some(EntryKind::File),
        EntryType::Directory => Some(EntryKind::Folder),
        EntryType::Symlink | EntryType::Link => Some(EntryKind::Link),
        EntryType::XGlobalHeader | EntryType::XHeader => None,
        _ => Some(EntryKind::Special),
    }
}
