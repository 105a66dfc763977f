//! Images, read one batch after the other.
//!
//! A set is opened anew for each pass, so that nothing of its size is ever held. Reading and decoding
//! run ahead of whoever compares, by a few batches.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use agespan_imaging::source::{Content, InputFile, Source, SourceError, SourceLimits};
use agespan_imaging::{Limits, RgbImage, decode};
use agespan_jobs::JobFailure;
use agespan_storage::Hasher;
use rayon::prelude::*;
use tokio::sync::mpsc;

use super::{Exclusion, ReconstructionError};

/// Images of one batch: what the network takes at once.
pub(crate) const BATCH: usize = 32;
/// Batches that are read ahead.
const AHEAD: usize = 2;
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
const SOURCE_LIMITS: SourceLimits = SourceLimits { max_file_bytes: 10 << 20, max_files: 1_000_000 };

/// Why a set cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The folder or archive.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The service that has the images.
    #[error(transparent)]
    Peer(#[from] JobFailure),
    /// The autoencoder that images are passed through.
    #[error(transparent)]
    Reconstruction(#[from] ReconstructionError),
    /// Nobody listens any more.
    #[error("reading was given up")]
    GivenUp,
}

/// A file of a set.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its path in the set.
    pub path: String,
    /// Its pixels, or why there are none.
    pub image: Result<RgbImage, Exclusion>,
}

impl Found {
    /// Decodes a file.
    pub fn decode(path: String, bytes: &[u8]) -> Self {
        // An image need not show a face here.
        let limits = Limits { min_side: 1, ..Limits::default() };
        let image = decode(bytes, &limits).map_err(|error| Exclusion {
            path: path.clone(),
            reason: error.reason().to_owned(),
            detail: error.to_string(),
        });
        Self { path, image }
    }

    fn read(file: InputFile) -> Self {
        let InputFile { path, content } = file;
        let without = |reason: &str, detail: String| Exclusion {
            path: path.clone(),
            reason: reason.to_owned(),
            detail,
        };
        let image = match content {
            Content::Bytes(bytes) => return Self::decode(path, &bytes),
            Content::TooLarge => {
                let limit = SOURCE_LIMITS.max_file_bytes;
                Err(without("TOO_LARGE", format!("the file is longer than {limit} bytes")))
            }
            Content::Unreadable(why) => Err(without("UNREADABLE", why)),
        };
        Self { path, image }
    }
}

/// Batches as they come.
#[derive(Debug)]
pub struct Pictures(mpsc::Receiver<Result<Vec<Found>, SetError>>);

/// Where batches are put in.
pub(crate) type Sender = mpsc::Sender<Result<Vec<Found>, SetError>>;

impl Pictures {
    /// Empty, with the end that fills it.
    pub(crate) fn channel() -> (Sender, Self) {
        let (sender, receiver) = mpsc::channel(AHEAD);
        (sender, Self(receiver))
    }

    /// The next batch; none at the end. Call it on a thread that may wait.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Found>>, SetError> {
        self.0.blocking_recv().transpose()
    }
}

/// A set of images.
pub struct Set {
    /// What it is called in the report.
    pub name: String,
    /// SHA-256 of its content in hexadecimal, where that is known.
    pub content_hash: Option<String>,
    /// What tells its files from any others: parts of one set are never taken for those of another.
    pub identity: String,
    /// How many files there are, where that is known; a few may not be images.
    pub count: Option<u64>,
    /// Whether files are called alike where they show the same.
    pub named: bool,
    /// Begins to read it at the file of this number; those before are not decoded.
    pub open: Arc<dyn Fn(u64) -> Pictures + Send + Sync>,
}

impl Set {
    /// The images of a folder, zip, tar or tar.gz: all files whose names end like those of images.
    /// They are read once for the hash of the names and contents.
    ///
    /// # Errors
    /// When there is no such folder or archive, or it cannot be read to its end.
    pub fn at(path: &Path) -> Result<Self, SourceError> {
        let source = Source::open(path, SOURCE_LIMITS)?;
        let (mut hasher, mut count) = (Hasher::new(), 0);
        source.visit(|file| {
            if is_image(&file.path) {
                count += 1;
                note(&mut hasher, &file);
            }
            Ok::<(), SourceError>(())
        })?;
        let hash = hasher.finish().to_string();
        Ok(Self {
            name: path.display().to_string(),
            content_hash: Some(hash.clone()),
            identity: hash,
            count: Some(count),
            named: true,
            open: Arc::new(move |first| read_ahead(source.clone(), first)),
        })
    }
}

/// Reads a set in batches of a size that is asked for, however they come.
pub(crate) struct Reader<'a> {
    set: &'a Set,
    pictures: Option<Pictures>,
    /// Read, and not asked for yet.
    waiting: VecDeque<Found>,
    /// The number of the next file.
    at: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(set: &'a Set) -> Self {
        Self { set, pictures: None, waiting: VecDeque::new(), at: 0 }
    }

    /// The next file is to be the one of this number.
    pub(crate) fn go_to(&mut self, first: u64) {
        if self.at != first {
            self.pictures = None;
            self.waiting.clear();
            self.at = first;
        }
    }

    /// The next files: as many as are asked for, unless the set ends.
    pub(crate) fn next(&mut self, most: usize) -> Result<Vec<Found>, SetError> {
        let pictures = self.pictures.get_or_insert_with(|| (self.set.open)(self.at));
        while self.waiting.len() < most {
            match pictures.next()? {
                Some(batch) => self.waiting.extend(batch),
                None => break,
            }
        }
        let files: Vec<_> = self.waiting.drain(..most.min(self.waiting.len())).collect();
        self.at += files.len() as u64;
        Ok(files)
    }
}

fn is_image(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

fn note(hasher: &mut Hasher, file: &InputFile) {
    let content = match &file.content {
        Content::Bytes(bytes) => bytes.as_slice(),
        Content::TooLarge | Content::Unreadable(_) => &[],
    };
    for part in [file.path.as_bytes(), content] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
}

fn read_ahead(source: Source, first: u64) -> Pictures {
    let (sender, pictures) = Pictures::channel();
    thread::spawn(move || {
        if let Err(error) = read(&source, first, &sender) {
            // Nobody to tell it to is what it may be about.
            let _ = sender.blocking_send(Err(error));
        }
    });
    pictures
}

fn read(source: &Source, first: u64, sender: &Sender) -> Result<(), SetError> {
    let mut before = first;
    let mut files = Vec::with_capacity(BATCH);
    let send = |files: &mut Vec<InputFile>| {
        let batch = std::mem::take(files).into_par_iter().map(Found::read).collect();
        sender.blocking_send(Ok(batch)).map_err(|_| SetError::GivenUp)
    };
    source.visit(|file| {
        if is_image(&file.path) {
            match before.checked_sub(1) {
                Some(fewer) => before = fewer,
                None => files.push(file),
            }
        }
        if files.len() == BATCH { send(&mut files) } else { Ok(()) }
    })?;
    if files.is_empty() { Ok(()) } else { send(&mut files) }
}
