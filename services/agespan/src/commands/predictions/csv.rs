//! A CSV file with a header, read in blocks by all threads.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use agespan_conformal::{AtLevel, Fitting};
use anyhow::{Context, Result, anyhow, bail};
use csv::ByteRecord;
use rayon::prelude::*;

use super::blocks::{Block, Blocks, records};
use super::columns::Columns;
use super::row::{Labels, Row};
use super::{cannot_read, cannot_write};

/// A file whose columns are known.
pub(super) struct CsvTable {
    path: PathBuf,
    pub(super) columns: Columns,
    header: ByteRecord,
    /// Where the first record begins, and on which line.
    begin: (u64, u64),
}

impl CsvTable {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| cannot_read(path))?;
        let mut reader = csv::Reader::from_reader(file);
        let names = reader.headers().with_context(|| cannot_read(path))?.clone();
        let columns = Columns::find(names.iter(), path)?;
        let begin = (reader.position().byte(), reader.position().line());
        Ok(Self { path: path.to_owned(), columns, header: names.into_byte_record(), begin })
    }

    /// Counts all rows.
    pub(super) fn fit(&self, begin: impl Fn() -> Fitting + Sync) -> Result<Fitting> {
        let mut all = begin();
        let part = |block: &Block| {
            let mut fitting = begin();
            self.rows(block, Labels::default(), |row, _| row.fit(&mut fitting))?;
            Ok(fitting)
        };
        self.each_block(part, |fitting| {
            all.join(fitting);
            Ok(())
        })?;
        Ok(all)
    }

    /// Writes the records with two more fields.
    pub(super) fn apply(&self, at: &AtLevel<'_>, labels: &Labels, out: &Path) -> Result<()> {
        let mut file = File::create(out).with_context(|| cannot_write(out))?;
        let mut header = self.header.clone();
        header.push_field(b"lower");
        header.push_field(b"upper");
        let mut writer = csv::Writer::from_writer(&file);
        writer.write_byte_record(&header).with_context(|| cannot_write(out))?;
        writer.flush().with_context(|| cannot_write(out))?;
        drop(writer);
        let part = |block: &Block| {
            let mut lines = Vec::with_capacity(2 * block.bytes.len());
            self.rows(block, labels.clone(), |row, record| {
                let bounds = row.bounds(at)?;
                lines.extend_from_slice(record);
                for end in [bounds.lower, bounds.upper] {
                    lines.push(b',');
                    lines.extend_from_slice(zmij::Buffer::new().format(end).as_bytes());
                }
                lines.push(b'\n');
                Ok(())
            })?;
            Ok(lines)
        };
        self.each_block(part, |lines| file.write_all(&lines).with_context(|| cannot_write(out)))
    }

    /// Does `part` on all threads, and `take` with what it gave, in order, while blocks are read.
    fn each_block<T: Send>(
        &self,
        part: impl Fn(&Block) -> Result<T> + Sync,
        mut take: impl FnMut(T) -> Result<()> + Send,
    ) -> Result<()> {
        let file = File::open(&self.path).with_context(|| cannot_read(&self.path))?;
        let mut blocks = Blocks::new(file, self.begin.0, self.begin.1)?;
        let most = 2 * rayon::current_num_threads();
        let mut done: Vec<Result<T>> = Vec::new();
        let mut reading = blocks.next(most).with_context(|| cannot_read(&self.path))?;
        while !reading.is_empty() || !done.is_empty() {
            let (now, before) = (std::mem::take(&mut reading), std::mem::take(&mut done));
            let edge = || -> Result<Vec<Block>> {
                before.into_iter().try_for_each(|part| take(part?))?;
                blocks.next(most).with_context(|| cannot_read(&self.path))
            };
            let work = || now.par_iter().map(&part).collect();
            let (read, worked) = rayon::join(edge, work);
            (reading, done) = (read?, worked);
        }
        Ok(())
    }

    /// Gives each row of a block to `take`, with the text of its record.
    fn rows(
        &self,
        block: &Block,
        mut labels: Labels,
        mut take: impl FnMut(&Row<'_>, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut reader = records(&block.bytes);
        let mut record = ByteRecord::new();
        let mut begin = 0;
        while reader.read_byte_record(&mut record).with_context(|| cannot_read(&self.path))? {
            let end = reader.position().byte() as usize;
            let text = without_line_ends(&block.bytes[begin..end]);
            begin = end;
            let row = self.row(&record, &mut labels);
            row.and_then(|row| take(&row, text)).with_context(|| {
                let line = record.position().map_or(0, csv::Position::line);
                format!("{} line {}", self.path.display(), block.line + line - 1)
            })?;
        }
        Ok(())
    }

    fn row<'a>(&self, record: &ByteRecord, labels: &'a mut Labels) -> Result<Row<'a>> {
        let (found, expected) = (record.len(), self.header.len());
        if found != expected {
            bail!("the record has {found} fields, the header {expected}");
        }
        let text =
            |place: usize| -> Result<&str> { Ok(std::str::from_utf8(&record[place])?.trim()) };
        let number = |name: &str, place: Option<usize>| -> Result<f64> {
            let Some(place) = place else { return Ok(0.0) };
            let text = text(place)?;
            text.parse().map_err(|_| anyhow!("{name}: {text:?} is not a number"))
        };
        Ok(Row {
            prediction: number("prediction", Some(self.columns.prediction))?,
            sigma: number("sigma", self.columns.sigma)?,
            truth: number("truth", self.columns.truth)?,
            label: self.columns.group.map(text).transpose()?.map(|text| labels.of(text)),
        })
    }
}

/// The text of a record: before it there may be empty lines.
fn without_line_ends(mut text: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}
