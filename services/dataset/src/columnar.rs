//! Tables as Parquet. The same columns always give the same bytes.

use std::error::Error;
use std::sync::Arc;

use arrow_array::builder::{StringBuilder, UInt8Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

/// A table cannot be written or read: a fault of this code, or of the store.
pub(crate) type Attempt<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A column with its name. Only the path is in every row.
pub(crate) type Column = (&'static str, ArrayRef);

pub(crate) fn write(columns: Vec<Column>) -> Attempt<Bytes> {
    let field =
        |(name, values): &Column| Field::new(*name, values.data_type().clone(), *name != "path");
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    let columns = columns.into_iter().map(|(_, values)| values).collect();
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.into_inner()?.into())
}

pub(crate) fn texts<T>(rows: &[T], value: impl Fn(&T) -> Option<String>) -> ArrayRef {
    let mut column = StringBuilder::new();
    rows.iter().for_each(|row| column.append_option(value(row)));
    Arc::new(column.finish())
}

pub(crate) fn small<T>(rows: &[T], value: impl Fn(&T) -> Option<u8>) -> ArrayRef {
    let mut column = UInt8Builder::new();
    rows.iter().for_each(|row| column.append_option(value(row)));
    Arc::new(column.finish())
}

pub(crate) fn numbers<T>(rows: &[T], value: impl Fn(&T) -> Option<u64>) -> ArrayRef {
    let mut column = UInt64Builder::new();
    rows.iter().for_each(|row| column.append_option(value(row)));
    Arc::new(column.finish())
}

/// Reads all rows of a table.
pub(crate) fn read<T>(
    bytes: Bytes,
    row: impl Fn(&Table<'_>, usize) -> Attempt<T>,
) -> Attempt<Vec<T>> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let batch = batch?;
        let table = Table(&batch);
        for index in 0..batch.num_rows() {
            rows.push(row(&table, index)?);
        }
    }
    Ok(rows)
}

/// Some rows of a table.
pub(crate) struct Table<'a>(&'a RecordBatch);

impl Table<'_> {
    pub(crate) fn text(&self, name: &str, row: usize) -> Attempt<Option<&str>> {
        let column: &StringArray =
            self.column(name)?.as_string_opt().ok_or_else(|| format!("{name} is no text"))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    pub(crate) fn small(&self, name: &str, row: usize) -> Attempt<Option<u8>> {
        let column = self.column(name)?.as_primitive_opt::<UInt8Type>();
        let column = column.ok_or_else(|| format!("{name} is no byte"))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    pub(crate) fn number(&self, name: &str, row: usize) -> Attempt<Option<u64>> {
        let column = self.column(name)?.as_primitive_opt::<UInt64Type>();
        let column = column.ok_or_else(|| format!("{name} is no number"))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    /// Whether the table has a column that not every table has.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.column_by_name(name).is_some()
    }

    fn column(&self, name: &str) -> Attempt<&ArrayRef> {
        Ok(self.0.column_by_name(name).ok_or_else(|| format!("the column {name} is missing"))?)
    }
}
