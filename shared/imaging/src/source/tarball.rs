use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::entry::{self, EntryKind};
use super::{Content, InputFile, SourceError, SourceLimits};

/// The most that may stand between two files: long names and notes, which the reader takes into memory
/// whole before it shows the file that they belong to.
const MAX_NOTES: u64 = 1 << 20;

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
    let allowed = Rc::new(Cell::new(u64::MAX));
    let metered = Metered { inner: unpacked(file, gzip), allowed: Rc::clone(&allowed) };
    let mut archive = Archive::new(metered);
    let mut entries = archive.entries().map_err(damaged)?;
    let mut files = 0;
    loop {
        allowed.set(MAX_NOTES);
        let Some(entry) = entries.next() else {
            return Ok(());
        };
        allowed.set(u64::MAX);
        let mut entry = entry.map_err(damaged)?;
        if let Some(file) = read(&mut entry, limits, &mut files, &damaged)? {
            each(file)?;
        }
        // What is left of it is no note before the next.
        io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
    }
}

/// Lets through what is allowed at the moment.
struct Metered<R> {
    inner: R,
    allowed: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowed.get();
        if allowed == 0 && !buffer.is_empty() {
            let problem = format!("more than {MAX_NOTES} bytes stand between two files");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let length = buffer.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let length = self.inner.read(&mut buffer[..length])?;
        self.allowed.set(allowed - length as u64);
        Ok(length)
    }
}

fn unpacked(file: File, gzip: bool) -> Box<dyn Read> {
    let file = BufReader::new(file);
    if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }
}

/// `None` for what is no file. A read error here means that the stream is out of step, unlike in
/// a zip: what follows could not be found, so the archive is damaged as a whole.
fn read(
    entry: &mut Entry<'_, impl Read>,
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
