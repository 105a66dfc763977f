//! Images packed into tars of about 32 MiB: few enough objects to be read quickly one after the
//! other, small enough to be kept in memory, and readable by `tar` when this code is not at hand.

use std::io;

use bytes::Bytes;

use crate::manifest::Place;

/// When a shard is full.
pub(crate) const SHARD_BYTES: usize = 32 * 1024 * 1024;

/// A shard in the making.
pub(crate) struct Packer {
    tar: tar::Builder<Vec<u8>>,
    /// Rows whose bytes are inside, with first byte and length.
    inside: Vec<(usize, u64, u64)>,
}

impl Packer {
    pub(crate) fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()), inside: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inside.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.tar.get_ref().len() >= SHARD_BYTES
    }

    /// Appends a file. Its entry carries no time and no owner, so that the same files always make
    /// the same shard.
    pub(crate) fn push(&mut self, row: usize, path: &str, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o644);
        self.tar.append_data(&mut header, path, bytes)?;
        // The bytes end where the tar now ends, but for the padding to whole blocks. Counting
        // from there holds for long paths too, which take further blocks in front.
        let end = self.tar.get_ref().len() as u64;
        self.inside.push((row, end - length.next_multiple_of(512), length));
        Ok(())
    }

    /// The finished tar, and the rows that are in it.
    pub(crate) fn finish(self) -> io::Result<(Bytes, Vec<(usize, u64, u64)>)> {
        Ok((self.tar.into_inner()?.into(), self.inside))
    }
}

pub(crate) fn place(shard: &str, offset: u64, length: u64) -> Place {
    Place { shard: shard.to_owned(), offset, length }
}
