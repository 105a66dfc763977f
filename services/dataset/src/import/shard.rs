//! Images packed into tars of about 32 MiB: few enough objects to be read quickly one after the
//! other, small enough to be kept in memory, and readable by `tar` when this code is not at hand.

use std::io;

use bytes::Bytes;

/// When a shard is full.
pub(super) const SHARD_BYTES: usize = 32 * 1024 * 1024;

/// A file in a shard: the row it belongs to, its first byte and its length.
pub(super) struct Packed {
    pub(super) row: usize,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// A shard in the making.
pub(super) struct Packer {
    tar: tar::Builder<Vec<u8>>,
    inside: Vec<Packed>,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()), inside: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.tar.get_ref().len() >= SHARD_BYTES
    }

    /// Appends a file. Its entry carries no time and no owner, so that the same files always make
    /// the same shard.
    pub(super) fn push(&mut self, row: usize, path: &str, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o644);
        self.tar.append_data(&mut header, path, bytes)?;
        // The bytes end where the tar now ends, but for the padding to whole blocks. Counting
        // from there holds for long paths too, which take further blocks in front.
        let end = self.tar.get_ref().len() as u64;
        self.inside.push(Packed { row, offset: end - length.next_multiple_of(512), length });
        Ok(())
    }

    /// The finished tar, and what is in it.
    pub(super) fn finish(self) -> io::Result<(Bytes, Vec<Packed>)> {
        Ok((self.tar.into_inner()?.into(), self.inside))
    }
}
