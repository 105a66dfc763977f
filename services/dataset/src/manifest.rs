//! The table of a dataset: one row for every file of the source, as Parquet.
//!
//! Names (gender, race, split) and hashes are stored as text, so that the table reads well in
//! pandas or polars without this code. Rows are sorted by path.

use std::error::Error;

use agespan_storage::ContentHash;
use bytes::Bytes;
use thiserror::Error;

use crate::clean::Quarantine;
use crate::columnar::{self, Attempt, Column, Table, numbers, small, texts};
use crate::label::{Age, Label, Split};

/// One face of the source, or one file without any. A good one has a label, a split and a place; a quarantined one has the
/// reason, and whatever else could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Path inside the source; see [`crate::clean::Examined::path`] for faces cut out of photos.
    pub path: String,
    /// What the data set says.
    pub label: Option<Label>,
    /// When the picture was collected, in digits.
    pub timestamp: Option<String>,
    /// Who it is, where the data set says so.
    pub subject: Option<String>,
    /// SHA-256 of shape and samples.
    pub pixel_hash: Option<ContentHash>,
    /// The part the face belongs to.
    pub split: Option<Split>,
    /// Why the file is kept out.
    pub quarantine: Option<Quarantine>,
    /// Where the file's bytes are.
    pub place: Option<Place>,
}

/// Where a file's bytes are: the storage path of a tar shard, and the range in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Storage path of the shard.
    pub shard: String,
    /// First byte of the file in the shard.
    pub offset: u64,
    /// Length of the file in bytes.
    pub length: u64,
}

impl Row {
    /// A row of which nothing is known but its path.
    pub fn of(path: String) -> Self {
        Self {
            path,
            label: None,
            timestamp: None,
            subject: None,
            pixel_hash: None,
            split: None,
            quarantine: None,
            place: None,
        }
    }
}

/// The table cannot be written or read.
#[derive(Debug, Error)]
#[error("the manifest cannot be {action}: import the dataset again")]
pub struct ManifestError {
    action: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl ManifestError {
    pub(crate) fn written(source: Box<dyn Error + Send + Sync>) -> Self {
        Self { action: "written", source }
    }

    pub(crate) fn read(source: Box<dyn Error + Send + Sync>) -> Self {
        Self { action: "read", source }
    }
}

/// Writes the table. The same rows always give the same bytes.
///
/// # Errors
/// [`ManifestError`], which would be a fault of this code.
pub fn write(rows: &[Row]) -> Result<Bytes, ManifestError> {
    columnar::write(columns(rows)).map_err(ManifestError::written)
}

/// Reads the table.
///
/// # Errors
/// [`ManifestError`] when it is no Parquet, or lacks columns, or holds unknown names.
pub fn read(bytes: Bytes) -> Result<Vec<Row>, ManifestError> {
    columnar::read(bytes, row).map_err(ManifestError::read)
}

/// Age ranges and subjects have columns only where there are any: the manifest of a data set
/// without them, and with it the data set's hash, is what it was before they were known.
fn columns(rows: &[Row]) -> Vec<Column> {
    let place = |row: &Row, value: fn(&Place) -> u64| row.place.as_ref().map(value);
    let age = |row: &Row| Some(row.label?.age);
    let mut columns = vec![
        ("path", texts(rows, |row| Some(row.path.clone()))),
        ("age", small(rows, |row| age(row)?.exact())),
        ("gender", texts(rows, |row| Some(row.label?.gender?.to_string()))),
        ("race", texts(rows, |row| Some(row.label?.race?.to_string()))),
        ("timestamp", texts(rows, |row| row.timestamp.clone())),
        ("pixel_hash", texts(rows, |row| Some(row.pixel_hash?.to_string()))),
        ("split", texts(rows, |row| Some(row.split?.to_string()))),
        ("quarantine_reason", texts(rows, |row| Some(row.quarantine.as_ref()?.reason.clone()))),
        ("quarantine_detail", texts(rows, |row| Some(row.quarantine.as_ref()?.detail.clone()))),
        ("shard", texts(rows, |row| Some(row.place.as_ref()?.shard.clone()))),
        ("offset", numbers(rows, |row| place(row, |place| place.offset))),
        ("length", numbers(rows, |row| place(row, |place| place.length))),
    ];
    if rows.iter().any(|row| age(row).is_some_and(|age| age.range().is_some())) {
        columns.push(("age_lower", small(rows, |row| Some(age(row)?.range()?.0))));
        columns.push(("age_upper", small(rows, |row| Some(age(row)?.range()?.1))));
    }
    if rows.iter().any(|row| row.subject.is_some()) {
        columns.push(("subject", texts(rows, |row| row.subject.clone())));
    }
    columns
}

fn row(table: &Table<'_>, row: usize) -> Attempt<Row> {
    let subject = if table.has("subject") { table.text("subject", row)? } else { None };
    Ok(Row {
        path: table.text("path", row)?.ok_or("a path is missing")?.to_owned(),
        label: label(table, row)?,
        timestamp: table.text("timestamp", row)?.map(str::to_owned),
        subject: subject.map(str::to_owned),
        pixel_hash: table.text("pixel_hash", row)?.map(str::parse).transpose()?,
        split: table.text("split", row)?.map(str::parse).transpose()?,
        quarantine: quarantine(table, row)?,
        place: place(table, row)?,
    })
}

fn label(table: &Table<'_>, row: usize) -> Attempt<Option<Label>> {
    let Some(age) = age(table, row)? else { return Ok(None) };
    let gender = table.text("gender", row)?.map(str::parse).transpose()?;
    let race = table.text("race", row)?.map(str::parse).transpose()?;
    Ok(Some(Label { age, gender, race }))
}

fn age(table: &Table<'_>, row: usize) -> Attempt<Option<Age>> {
    if let Some(age) = table.small("age", row)? {
        return Ok(Some(Age::Exact(age)));
    }
    if !table.has("age_lower") {
        return Ok(None);
    }
    let range = table.small("age_lower", row)?.zip(table.small("age_upper", row)?);
    Ok(range.map(|(lower, upper)| Age::Range(lower, upper)))
}

fn quarantine(table: &Table<'_>, row: usize) -> Attempt<Option<Quarantine>> {
    let Some(reason) = table.text("quarantine_reason", row)? else {
        return Ok(None);
    };
    let detail = table.text("quarantine_detail", row)?.unwrap_or_default().to_owned();
    Ok(Some(Quarantine { reason: reason.to_owned(), detail }))
}

fn place(table: &Table<'_>, row: usize) -> Attempt<Option<Place>> {
    let numbers = (table.number("offset", row)?, table.number("length", row)?);
    let (Some(shard), (Some(offset), Some(length))) = (table.text("shard", row)?, numbers) else {
        return Ok(None);
    };
    Ok(Some(Place { shard: shard.to_owned(), offset, length }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Gender, Race};

    fn rows() -> Vec<Row> {
        let (gender, race) = (Some(Gender::Female), Some(Race::Others));
        let good = Row {
            label: Some(Label { age: Age::Exact(116), gender, race }),
            timestamp: Some("20170112213500903".into()),
            pixel_hash: Some(ContentHash::of(b"a")),
            split: Some(Split::Calibration),
            place: Some(Place { shard: "x/y.tar".into(), offset: 512, length: u64::MAX }),
            ..Row::of("a.jpg".into())
        };
        let reason = Quarantine { reason: "MISSING_RACE".into(), detail: "three fields".into() };
        let bad = Row { quarantine: Some(reason), ..Row::of("b.jpg".into()) };
        vec![good, bad]
    }

    fn with_ranges() -> Vec<Row> {
        let label = Label { age: Age::Range(20, 29), gender: None, race: None };
        let subject = Some("MariaCallas".into());
        let range = Row { label: Some(label), subject, ..Row::of("c.jpg".into()) };
        rows().into_iter().chain([range]).collect()
    }

    #[test]
    fn written_and_read() {
        let bytes = write(&rows()).unwrap();
        assert_eq!(bytes, write(&rows()).unwrap());
        assert_eq!(read(bytes).unwrap(), rows());
        assert_eq!(read(write(&with_ranges()).unwrap()).unwrap(), with_ranges());
        assert!(read(write(&[]).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn what_no_row_has_takes_no_column() {
        // The hash of a data set is that of these bytes: see `columns`.
        let hash = ContentHash::of(&write(&rows()).unwrap()).to_string();
        assert_eq!(hash, "cf2f01ef2ad8ad07e283c4a4591e51ae28c2abec81fd810fb4aaa8801528421c");
        assert!(write(&with_ranges()).unwrap().len() > write(&rows()).unwrap().len());
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = write(&rows()).unwrap();
        assert!(read(Bytes::from_static(b"PAR1")).is_err());
        assert!(read(bytes.slice(..bytes.len() / 2)).is_err());
    }
}
