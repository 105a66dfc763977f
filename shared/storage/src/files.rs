//! Files that are too large for memory, in and out piece by piece.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use object_store::{ObjectStoreExt, WriteMultipart};

use crate::{Artifact, Hasher, Result, Storage, StorageError};

/// Above the 5 MiB that stores ask of a part, and few enough parts for tens of gigabytes.
const PIECE: usize = 8 << 20;

/// Pieces that are on their way at the same time.
const UNDER_WAY: usize = 4;

impl Storage {
    /// Stores a file as [`Storage::put_artifact`] stores bytes. The file is read twice, on the
    /// calling thread, which therefore should be one that may block.
    ///
    /// # Errors
    /// [`StorageError::File`], [`StorageError::InvalidPath`] or [`StorageError::Unavailable`].
    pub async fn put_file(&self, folder: &str, extension: &str, file: &Path) -> Result<Artifact> {
        let mut hasher = Hasher::new();
        let mut size = 0;
        each_piece(file, |piece| {
            hasher.update(piece);
            size += piece.len() as u64;
        })?;
        let hash = hasher.finish();
        let artifact = Artifact { path: format!("{folder}/{hash}.{extension}"), hash, size };
        if self.size(&artifact.path).await? != Some(size) {
            self.upload(&artifact, file).await?;
        }
        Ok(artifact)
    }

    async fn upload(&self, artifact: &Artifact, file: &Path) -> Result<()> {
        let failed = |e| StorageError::from_store("write", &artifact.path, e);
        let target = self.resolve(&artifact.path)?;
        let upload = self.store.put_multipart(&target).await.map_err(failed)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PIECE);
        let mut open = open(file)?;
        let mut hasher = Hasher::new();
        let mut piece = vec![0; PIECE];
        loop {
            let count = read(&mut open, file, &mut piece)?;
            if count == 0 {
                break;
            }
            hasher.update(&piece[..count]);
            writer.wait_for_capacity(UNDER_WAY).await.map_err(failed)?;
            writer.write(&piece[..count]);
        }
        let (path, actual) = (artifact.path.clone(), hasher.finish());
        if actual != artifact.hash {
            // Somebody writes to the file: nothing must appear under the hash of what it was.
            let _ = writer.abort().await;
            return Err(StorageError::HashMismatch { path, expected: artifact.hash, actual });
        }
        writer.finish().await.map_err(failed)?;
        Ok(())
    }

    /// Writes an artifact to a new file and makes sure that it is what was stored. The file appears
    /// whole or not at all. It is written on the calling thread.
    ///
    /// # Errors
    /// [`StorageError::File`], and those of [`Storage::get_artifact`].
    pub async fn fetch_file(&self, artifact: &Artifact, file: &Path) -> Result<()> {
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let written = self.download(artifact, &part).await;
        let written = written.and_then(|()| fs::rename(&part, file).map_err(wrote(file)));
        if written.is_err() {
            // Of no use to anybody; the error is what counts.
            let _ = fs::remove_file(&part);
        }
        written
    }

    async fn download(&self, artifact: &Artifact, file: &Path) -> Result<()> {
        let failed = |e| StorageError::from_store("read", &artifact.path, e);
        let target = self.resolve(&artifact.path)?;
        let mut pieces = self.store.get(&target).await.map_err(failed)?.into_stream();
        let mut open = File::create(file).map_err(wrote(file))?;
        let mut hasher = Hasher::new();
        while let Some(piece) = pieces.try_next().await.map_err(failed)? {
            hasher.update(&piece);
            open.write_all(&piece).map_err(wrote(file))?;
        }
        let actual = hasher.finish();
        if actual != artifact.hash {
            let path = artifact.path.clone();
            return Err(StorageError::HashMismatch { path, expected: artifact.hash, actual });
        }
        Ok(())
    }
}

fn each_piece(file: &Path, mut take: impl FnMut(&[u8])) -> Result<()> {
    let mut open = open(file)?;
    let mut piece = vec![0; PIECE];
    loop {
        match read(&mut open, file, &mut piece)? {
            0 => return Ok(()),
            count => take(&piece[..count]),
        }
    }
}

fn open(file: &Path) -> Result<File> {
    File::open(file).map_err(|source| StorageError::File {
        operation: "read",
        path: file.to_owned(),
        source,
    })
}

fn read(open: &mut File, file: &Path, piece: &mut [u8]) -> Result<usize> {
    open.read(piece).map_err(|source| StorageError::File {
        operation: "read",
        path: file.to_owned(),
        source,
    })
}

fn wrote(file: &Path) -> impl Fn(std::io::Error) -> StorageError {
    move |source| StorageError::File { operation: "written", path: file.to_owned(), source }
}
