//! The files of a directory, a zip or a tar, streamed one at a time.
//!
//! What the path holds is told by content, not by name. Order is by path in a directory and a
//! zip, and as stored in a tar, which cannot be read in another order without keeping it whole;
//! either way the same source always gives the same order.
//!
//! Nothing is ever unpacked to disk, so a hostile path could not overwrite anything here. It is
//! refused all the same, with links and devices: paths end up in manifests and shards, which
//! others unpack, and a link in a directory could pull in files that were never meant to be
//! imported.

mod directory;
mod entry;
mod tarball;
mod zipfile;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a source cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The path cannot be read at all.
    #[error("cannot read {path}: check that it exists and may be read")]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is no archive that is understood.
    #[error("{path} is no directory, zip, tar or tar.gz: unpack it first and give the directory")]
    UnknownContainer {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The archive cannot be read to its end.
    #[error("the archive {path} is damaged: fetch it again")]
    Damaged {
        /// The path as it was given.
        path: PathBuf,
        /// What the reader found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An entry's path leads out of the archive.
    #[error("the entry {entry:?} {problem}: nothing was read; remove it if you trust the rest")]
    Unsafe {
        /// The entry's path, as the archive spells it.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There are more files than allowed.
    #[error("there are more than {limit} files: split the source, or raise the limit")]
    TooManyFiles {
        /// The most files accepted.
        limit: u64,
    },
}

/// What a source may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Files longer than this are not loaded; they are reported as [`Content::TooLarge`].
    pub max_file_bytes: u64,
    /// The most files. Each takes a few hundred bytes of memory during an import.
    pub max_files: u64,
}

/// One file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Its path inside the source, with slashes.
    pub path: String,
    /// Its bytes, or why they are not there.
    pub content: Content,
}

/// A file's bytes, or why they are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All of them.
    Bytes(Vec<u8>),
    /// The file is longer than [`SourceLimits::max_file_bytes`].
    TooLarge,
    /// This one file cannot be read, others can.
    Unreadable(String),
}

impl Content {
    /// Reads to the end, but never keeps more than allowed: the length that an archive claims for
    /// an entry is not to be trusted.
    fn read(from: impl Read, limits: &SourceLimits) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.take(limits.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        let fits = bytes.len() as u64 <= limits.max_file_bytes;
        Ok(if fits { Self::Bytes(bytes) } else { Self::TooLarge })
    }
}

/// A directory or archive that was found readable.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    limits: SourceLimits,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Paths inside the directory, sorted.
    Directory(Vec<String>),
    /// Paths inside the archive with their index, sorted.
    Zip(Vec<(String, usize)>),
    Tar {
        gzip: bool,
    },
}

impl Source {
    /// Looks what is at `path`, and lists it where that is possible without reading it all.
    ///
    /// # Errors
    /// A [`SourceError`].
    pub fn open(path: &Path, limits: SourceLimits) -> Result<Self, SourceError> {
        let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
        let kind = if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            Kind::Directory(directory::list(path, &limits)?)
        } else {
            match sniff(path).map_err(unreadable)? {
                Some(Container::Zip) => Kind::Zip(zipfile::list(path, &limits)?),
                Some(Container::Tar) => Kind::Tar { gzip: false },
                Some(Container::Gzip) => Kind::Tar { gzip: true },
                None => return Err(SourceError::UnknownContainer { path: path.to_owned() }),
            }
        };
        Ok(Self { path: path.to_owned(), limits, kind })
    }

    /// The number of files, where it is known before reading.
    pub fn count(&self) -> Option<u64> {
        match &self.kind {
            Kind::Directory(paths) => Some(paths.len() as u64),
            Kind::Zip(entries) => Some(entries.len() as u64),
            Kind::Tar { .. } => None,
        }
    }

    /// Reads the files whose paths are wanted, each up to a length of its own, into memory.
    ///
    /// # Errors
    /// A [`SourceError`].
    pub fn select(
        &self,
        max_file_bytes: u64,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<InputFile>, SourceError> {
        let kind = match &self.kind {
            Kind::Directory(paths) => {
                Kind::Directory(paths.iter().filter(|path| wanted(path)).cloned().collect())
            }
            Kind::Zip(entries) => {
                Kind::Zip(entries.iter().filter(|(path, _)| wanted(path)).cloned().collect())
            }
            Kind::Tar { gzip } => Kind::Tar { gzip: *gzip },
        };
        let limits = SourceLimits { max_file_bytes, ..self.limits };
        let mut files = Vec::new();
        Self { path: self.path.clone(), limits, kind }.visit(|file| {
            if wanted(&file.path) {
                files.push(file);
            }
            Ok::<(), SourceError>(())
        })?;
        Ok(files)
    }

    /// Hands each file to `each`, until it fails. May be called again: the order is the same.
    ///
    /// # Errors
    /// A [`SourceError`], or whatever `each` returns.
    pub fn visit<E: From<SourceError>>(
        &self,
        mut each: impl FnMut(InputFile) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.kind {
            Kind::Directory(paths) => directory::visit(&self.path, paths, &self.limits, &mut each),
            Kind::Zip(entries) => zipfile::visit(&self.path, entries, &self.limits, &mut each),
            Kind::Tar { gzip } => tarball::visit(&self.path, *gzip, &self.limits, &mut each),
        }
    }
}

enum Container {
    Zip,
    Tar,
    Gzip,
}

fn sniff(path: &Path) -> io::Result<Option<Container>> {
    let mut start = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut start)?;
    Ok(match start.as_slice() {
        // An archive's first entry, and the end record of an empty archive.
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Container::Zip),
        [0x1F, 0x8B, ..] => Some(Container::Gzip),
        // The magic of every tar since 1988.
        tar if tar.get(257..262) == Some(b"ustar") => Some(Container::Tar),
        _ => None,
    })
}
