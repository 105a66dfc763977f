//! A file of lines in blocks of whole records, so that several threads can each take one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use anyhow::Result;

/// Large enough that a thread is busy for some milliseconds.
const SIZE: usize = 1 << 20;

/// Whole records.
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// The line of its first byte, from 1.
    pub(super) line: u64,
}

/// The blocks of a file, from some record on.
pub(super) struct Blocks {
    file: File,
    line: u64,
    /// What was read beyond the last block: the beginning of a record.
    rest: Vec<u8>,
    ended: bool,
}

impl Blocks {
    /// From the record at `byte`, on `line`.
    pub(super) fn new(mut file: File, byte: u64, line: u64) -> Result<Self> {
        file.seek(SeekFrom::Start(byte))?;
        Ok(Self { file, line, rest: Vec::new(), ended: false })
    }

    /// Up to so many of the next blocks; none at the end.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<Block>> {
        let mut blocks = Vec::new();
        while blocks.len() < most
            && let Some(block) = self.one()?
        {
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn one(&mut self) -> Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.rest);
        // A record longer than a block makes the block longer.
        for size in (1..).map(|times| times * SIZE) {
            if !self.ended {
                let missing = size.saturating_sub(bytes.len()) as u64;
                self.file.by_ref().take(missing).read_to_end(&mut bytes)?;
                self.ended = bytes.len() < size;
            }
            let end = if self.ended { bytes.len() } else { whole_records(&bytes)? };
            if end > 0 || self.ended {
                self.rest = bytes.split_off(end);
                break;
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Ok(Some(Block { bytes, line }))
    }
}

/// The length of the records that surely end in `bytes`. Where nothing is quoted each line is one;
/// elsewhere only reading says whether a line ends within quotes.
fn whole_records(bytes: &[u8]) -> Result<usize> {
    if memchr::memchr(b'"', bytes).is_none() {
        let last = memchr::memrchr(b'\n', bytes)
            // A lone carriage return ends a line too, unless a line feed may follow.
            .or_else(|| memchr::memrchr(b'\r', bytes.split_last()?.1));
        return Ok(last.map_or(0, |last| last + 1));
    }
    let mut reader = records(bytes);
    let mut record = csv::ByteRecord::new();
    let mut last = 0;
    while reader.read_byte_record(&mut record)? {
        last = record.position().map_or(0, csv::Position::byte) as usize;
    }
    Ok(last)
}

/// Reads records without a header.
pub(super) fn records(bytes: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn blocks(text: &str) -> Vec<Block> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut blocks = Blocks::new(file, 0, 1).unwrap();
        std::iter::from_fn(|| blocks.next(1).unwrap().pop()).collect()
    }

    /// Blocks give the same records as the whole, and on the same lines. Where lines do not end in a
    /// line feed alone, csv itself is a line behind from the second record on.
    fn check(text: &str) {
        let counted = !text.contains('\r');
        let blocks = blocks(text);
        assert!(blocks.len() > 2, "{}", blocks.len());
        let joined: Vec<u8> = blocks.iter().flat_map(|block| block.bytes.clone()).collect();
        assert!(joined == text.as_bytes());
        let whole: Vec<_> =
            records(text.as_bytes()).into_byte_records().map(Result::unwrap).collect();
        let parts = blocks.iter().flat_map(|block| {
            records(&block.bytes).into_byte_records().map(move |record| {
                let record = record.unwrap();
                let line = block.line + record.position().unwrap().line() - 1;
                (line, record)
            })
        });
        let mut count = 0;
        for ((line, part), whole) in parts.zip(&whole) {
            assert_eq!(&part, whole);
            assert!(!counted || line == whole.position().unwrap().line(), "{line}");
            count += 1;
        }
        assert_eq!(count, whole.len());
    }

    #[test]
    fn blocks_end_with_records() {
        for end in ["\n", "\r\n", "\r"] {
            check(&format!("40,41,somebody{end}").repeat(200_000));
        }
    }

    #[test]
    fn a_line_within_quotes_ends_no_block() {
        check(&"40,\"a\n\n\"\"b,\n\",41\n".repeat(200_000));
    }

    #[test]
    fn a_record_may_be_longer_than_a_block() {
        check(&format!("40,{},41\n", "x".repeat(3 * SIZE)).repeat(3));
    }
}
