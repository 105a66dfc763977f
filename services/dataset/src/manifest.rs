//! The table of a dataset: one row for every file of the source, as Parquet.
//!
//! Names (gender, race, split) and hashes are stored as text, so that the table reads well in
//! pandas or polars without this code. Rows are sorted by path.

use std::error::Error;
use std::sync::Arc;

use agespan_storage::ContentHash;
use arrow_array::builder::{StringBuilder, UInt8Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use thiserror::Error;

use crate::clean::Quarantine;
use crate::label::{Label, Split};

/// One file of the source. A good one has a label, a split and a place; a quarantined one has the
/// reason, and whatever else could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Path inside the source.
    pub path: String,
    /// What the name says.
    pub label: Option<Label>,
    /// When the picture was collected, in digits.
    pub timestamp: Option<String>,
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

/// The table cannot be written or read.
#[derive(Debug, Error)]
#[error("the manifest cannot be {action}: import the dataset again")]
pub struct ManifestError {
    action: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

/// Columns whose numbers fit a byte.
const BYTES: [&str; 1] = ["age"];
/// Columns of whole numbers.
const NUMBERS: [&str; 2] = ["offset", "length"];
/// All columns, in their order.
const COLUMNS: [&str; 12] = [
    "path",
    "age",
    "gender",
    "race",
    "timestamp",
    "pixel_hash",
    "split",
    "quarantine_reason",
    "quarantine_detail",
    "shard",
    "offset",
    "length",
];

/// Writes the table. The same rows always give the same bytes.
///
/// # Errors
/// [`ManifestError`], which would be a fault of this code.
pub fn write(rows: &[Row]) -> Result<Bytes, ManifestError> {
    encode(rows).map_err(|source| ManifestError { action: "written", source })
}

/// Reads the table.
///
/// # Errors
/// [`ManifestError`] when it is no Parquet, or lacks columns, or holds unknown names.
pub fn read(bytes: Bytes) -> Result<Vec<Row>, ManifestError> {
    decode(bytes).map_err(|source| ManifestError { action: "read", source })
}

type Attempt<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn encode(rows: &[Row]) -> Attempt<Bytes> {
    let fields: Vec<Field> = COLUMNS.iter().map(|name| field(name)).collect();
    let schema = Arc::new(Schema::new(fields));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    writer.write(&RecordBatch::try_new(schema, columns(rows))?)?;
    Ok(writer.into_inner()?.into())
}

fn field(name: &str) -> Field {
    let kind = if BYTES.contains(&name) {
        DataType::UInt8
    } else if NUMBERS.contains(&name) {
        DataType::UInt64
    } else {
        DataType::Utf8
    };
    Field::new(name, kind, name != "path")
}

/// In the order of [`COLUMNS`].
fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        texts(rows, |row| Some(row.path.clone())),
        ages(rows),
        texts(rows, |row| Some(row.label?.gender.to_string())),
        texts(rows, |row| Some(row.label?.race.to_string())),
        texts(rows, |row| row.timestamp.clone()),
        texts(rows, |row| Some(row.pixel_hash?.to_string())),
        texts(rows, |row| Some(row.split?.to_string())),
        texts(rows, |row| Some(row.quarantine.as_ref()?.reason.clone())),
        texts(rows, |row| Some(row.quarantine.as_ref()?.detail.clone())),
        texts(rows, |row| Some(row.place.as_ref()?.shard.clone())),
        numbers(rows, |place| place.offset),
        numbers(rows, |place| place.length),
    ]
}

fn texts(rows: &[Row], value: impl Fn(&Row) -> Option<String>) -> ArrayRef {
    let mut column = StringBuilder::new();
    rows.iter().for_each(|row| column.append_option(value(row)));
    Arc::new(column.finish())
}

fn ages(rows: &[Row]) -> ArrayRef {
    let mut column = UInt8Builder::new();
    rows.iter().for_each(|row| column.append_option(row.label.map(|label| label.age)));
    Arc::new(column.finish())
}

fn numbers(rows: &[Row], value: impl Fn(&Place) -> u64) -> ArrayRef {
    let mut column = UInt64Builder::new();
    rows.iter().for_each(|row| column.append_option(row.place.as_ref().map(&value)));
    Arc::new(column.finish())
}

fn decode(bytes: Bytes) -> Attempt<Vec<Row>> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let table = Table(&batch?);
        for row in 0..table.0.num_rows() {
            rows.push(table.row(row)?);
        }
    }
    Ok(rows)
}

struct Table<'a>(&'a RecordBatch);

impl Table<'_> {
    fn row(&self, row: usize) -> Attempt<Row> {
        Ok(Row {
            path: self.text("path", row)?.ok_or("a path is missing")?.to_owned(),
            label: self.label(row)?,
            timestamp: self.text("timestamp", row)?.map(str::to_owned),
            pixel_hash: self.text("pixel_hash", row)?.map(str::parse).transpose()?,
            split: self.text("split", row)?.map(str::parse).transpose()?,
            quarantine: self.quarantine(row)?,
            place: self.place(row)?,
        })
    }

    fn label(&self, row: usize) -> Attempt<Option<Label>> {
        let column = self.column("age")?;
        let ages = column.as_primitive_opt::<UInt8Type>().ok_or("age is no byte")?;
        let values = (self.text("gender", row)?, self.text("race", row)?);
        let (true, (Some(gender), Some(race))) = (ages.is_valid(row), values) else {
            return Ok(None);
        };
        Ok(Some(Label { age: ages.value(row), gender: gender.parse()?, race: race.parse()? }))
    }

    fn quarantine(&self, row: usize) -> Attempt<Option<Quarantine>> {
        let Some(reason) = self.text("quarantine_reason", row)? else {
            return Ok(None);
        };
        let detail = self.text("quarantine_detail", row)?.unwrap_or_default().to_owned();
        Ok(Some(Quarantine { reason: reason.to_owned(), detail }))
    }

    fn place(&self, row: usize) -> Attempt<Option<Place>> {
        let numbers = (self.number("offset", row)?, self.number("length", row)?);
        let (Some(shard), (Some(offset), Some(length))) = (self.text("shard", row)?, numbers)
        else {
            return Ok(None);
        };
        Ok(Some(Place { shard: shard.to_owned(), offset, length }))
    }

    fn text(&self, name: &str, row: usize) -> Attempt<Option<&str>> {
        let column: &StringArray =
            self.column(name)?.as_string_opt().ok_or_else(|| format!("{name} is no text"))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn number(&self, name: &str, row: usize) -> Attempt<Option<u64>> {
        let column = self.column(name)?.as_primitive_opt::<UInt64Type>();
        let column = column.ok_or_else(|| format!("{name} is no number"))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn column(&self, name: &str) -> Attempt<&ArrayRef> {
        Ok(self.0.column_by_name(name).ok_or_else(|| format!("the column {name} is missing"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Gender, Race};

    fn rows() -> Vec<Row> {
        let good = Row {
            path: "a.jpg".into(),
            label: Some(Label { age: 116, gender: Gender::Female, race: Race::Others }),
            timestamp: Some("20170112213500903".into()),
            pixel_hash: Some(ContentHash::of(b"a")),
            split: Some(Split::Calibration),
            quarantine: None,
            place: Some(Place { shard: "x/y.tar".into(), offset: 512, length: u64::MAX }),
        };
        let reason = Quarantine { reason: "MISSING_RACE".into(), detail: "three fields".into() };
        let bad = Row {
            path: "b.jpg".into(),
            label: None,
            timestamp: None,
            pixel_hash: None,
            split: None,
            quarantine: Some(reason),
            place: None,
        };
        vec![good, bad]
    }

    #[test]
    fn written_and_read() {
        let bytes = write(&rows()).unwrap();
        assert_eq!(bytes, write(&rows()).unwrap());
        assert_eq!(read(bytes).unwrap(), rows());
        assert!(read(write(&[]).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = write(&rows()).unwrap();
        assert!(read(Bytes::from_static(b"PAR1")).is_err());
        assert!(read(bytes.slice(..bytes.len() / 2)).is_err());
    }
}
