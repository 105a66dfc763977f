//! A Parquet file with the columns of another and two more. Encoded columns are copied as they are.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::add_encoded_arrow_schema_to_metadata;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{Repetition, Type as Physical};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::DoubleType;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{cannot_read, cannot_write};

/// The names of the new columns.
const NEW: [&str; 2] = ["lower", "upper"];

/// Lower and upper ends, in pieces.
type Ends = Vec<Result<(Vec<f64>, Vec<f64>)>>;

/// The file in the making.
pub(super) struct Splice {
    writer: SerializedFileWriter<File>,
    source: File,
    metadata: Arc<ParquetMetaData>,
    out: PathBuf,
}

impl Splice {
    /// Begins a file with the columns of `source`.
    pub(super) fn create(
        out: &Path,
        source: &Path,
        metadata: &ArrowReaderMetadata,
    ) -> Result<Self> {
        let file = File::create(out).with_context(|| cannot_write(out))?;
        let schema = extended(metadata.parquet_schema().root_schema())?;
        let properties = Arc::new(properties(metadata));
        let writer = SerializedFileWriter::new(file, schema, properties);
        Ok(Self {
            writer: writer.with_context(|| cannot_write(out))?,
            source: File::open(source).with_context(|| cannot_read(source))?,
            metadata: metadata.metadata().clone(),
            out: out.to_owned(),
        })
    }

    /// Copies a row group while `ends` makes what is new in it.
    pub(super) fn row_group(
        &mut self,
        index: usize,
        ends: impl FnOnce() -> Ends + Send,
    ) -> Result<()> {
        let mut writer = self.writer.next_row_group().with_context(|| cannot_write(&self.out))?;
        let (group, source) = (self.metadata.row_group(index), &self.source);
        let (copied, ends) = rayon::join(|| copy(&mut writer, group, source), ends);
        copied.with_context(|| cannot_write(&self.out))?;
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for part in ends {
            let part = part?;
            lower.push(part.0);
            upper.push(part.1);
        }
        for column in [lower, upper] {
            write(&mut writer, &column).with_context(|| cannot_write(&self.out))?;
        }
        writer.close().map(drop).with_context(|| cannot_write(&self.out))
    }

    /// Ends the file.
    pub(super) fn close(self) -> Result<()> {
        self.writer.close().map(drop).with_context(|| cannot_write(&self.out))
    }
}

fn extended(root: &Type) -> Result<TypePtr> {
    let mut fields = root.get_fields().to_vec();
    for name in NEW {
        let column = Type::primitive_type_builder(name, Physical::DOUBLE);
        fields.push(Arc::new(column.with_repetition(Repetition::REQUIRED).build()?));
    }
    Ok(Arc::new(Type::group_type_builder(root.name()).with_fields(fields).build()?))
}

/// Ends of intervals hardly repeat and hardly shrink: neither a dictionary nor a compression is
/// worth its time.
fn properties(source: &ArrowReaderMetadata) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(source.metadata().file_metadata().key_value_metadata().cloned())
        .build();
    let schema = source.schema();
    let new = NEW.map(|name| Arc::new(Field::new(name, DataType::Float64, false)));
    let fields: Vec<_> = schema.fields().iter().cloned().chain(new).collect();
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
    properties
}

fn copy(
    writer: &mut SerializedRowGroupWriter<'_, File>,
    group: &RowGroupMetaData,
    source: &File,
) -> parquet::errors::Result<()> {
    for column in group.columns() {
        let close = ColumnCloseResult {
            bytes_written: column.compressed_size() as u64,
            rows_written: group.num_rows() as u64,
            metadata: column.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        writer.append_column(source, close)?;
    }
    Ok(())
}

fn write(
    writer: &mut SerializedRowGroupWriter<'_, File>,
    parts: &[Vec<f64>],
) -> parquet::errors::Result<()> {
    let Some(mut column) = writer.next_column()? else { return Ok(()) };
    for part in parts {
        column.typed::<DoubleType>().write_batch(part, None, None)?;
    }
    column.close()
}
