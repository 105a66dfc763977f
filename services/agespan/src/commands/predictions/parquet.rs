//! A Parquet file, read in parts by all threads. Its columns are not decoded to be written again:
//! their bytes are copied.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agespan_conformal::{AtLevel, Fitting};
use anyhow::{Context, Result, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use rayon::prelude::*;

use super::cannot_read;
use super::columns::Columns;
use super::row::{Labels, Row};
use super::splice::Splice;

/// Rows that are decoded at a time.
const BATCH: usize = 16_384;
/// Rows that are worth a thread.
const LEAST: usize = 65_536;

/// Rows for which room is made before they are read.
const MOST_EXPECTED: usize = 1 << 20;

/// A file whose columns are known.
pub(super) struct ParquetTable {
    path: PathBuf,
    pub(super) columns: Columns,
    metadata: ArrowReaderMetadata,
}

/// Rows of a row group.
struct Part {
    row_group: usize,
    /// The first, in the row group and in the file.
    offset: usize,
    first: usize,
    rows: usize,
}

impl ParquetTable {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| cannot_read(path))?;
        let options = ArrowReaderOptions::new();
        let metadata =
            ArrowReaderMetadata::load(&file, options).with_context(|| cannot_read(path))?;
        let add = |rows: usize, group: &RowGroupMetaData| {
            rows.checked_add(usize::try_from(group.num_rows()).ok()?)
        };
        if metadata.metadata().row_groups().iter().try_fold(0, add).is_none() {
            bail!("{} is damaged: it has more rows than can be counted", path.display());
        }
        let fields = metadata.schema().fields();
        let columns = Columns::find(fields.iter().map(|field| field.name().as_str()), path)?;
        Ok(Self { path: path.to_owned(), columns, metadata })
    }

    /// Counts all rows.
    pub(super) fn fit(&self, begin: impl Fn() -> Fitting + Sync) -> Result<Fitting> {
        let part = |part: &Part| {
            let mut fitting = begin();
            self.rows(part, Labels::default(), |row| row.fit(&mut fitting))?;
            Ok(fitting)
        };
        let parts: Vec<Part> = self.row_groups().flat_map(|group| self.parts(group)).collect();
        let fitted: Vec<Result<Fitting>> = parts.par_iter().map(part).collect();
        let mut all = begin();
        for fitting in fitted {
            all.join(fitting?);
        }
        Ok(all)
    }

    /// Writes the columns and two more.
    pub(super) fn apply(&self, at: &AtLevel<'_>, labels: &Labels, out: &Path) -> Result<()> {
        if self.row_groups().all(|group| self.parts(group).is_empty()) {
            bail!("{} has no rows", self.path.display());
        }
        let mut splice = Splice::create(out, &self.path, &self.metadata)?;
        let part = |part: &Part| {
            // The file says how many rows there are, and may say anything.
            let expected = part.rows.min(MOST_EXPECTED);
            let mut ends = (Vec::with_capacity(expected), Vec::with_capacity(expected));
            self.rows(part, labels.clone(), |row| {
                let bounds = row.bounds(at)?;
                ends.0.push(bounds.lower);
                ends.1.push(bounds.upper);
                Ok(())
            })?;
            Ok(ends)
        };
        for group in self.row_groups() {
            let parts = self.parts(group);
            splice.row_group(group, || parts.par_iter().map(part).collect::<Vec<_>>())?;
        }
        splice.close()
    }

    fn row_groups(&self) -> std::ops::Range<usize> {
        0..self.metadata.metadata().num_row_groups()
    }

    fn parts(&self, row_group: usize) -> Vec<Part> {
        let count = |group: usize| self.metadata.metadata().row_group(group).num_rows() as usize;
        let (rows, before) = (count(row_group), (0..row_group).map(count).sum::<usize>());
        let each = rows.div_ceil(rayon::current_num_threads()).max(LEAST);
        (0..rows)
            .step_by(each)
            .map(|offset| Part {
                row_group,
                offset,
                first: before + offset,
                rows: each.min(rows - offset),
            })
            .collect()
    }

    /// Gives each row of a part to `take`, in order. An error names the file and the row.
    fn rows(
        &self,
        part: &Part,
        mut labels: Labels,
        mut take: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        // Opened anew: clones of one file would share the place where it is read.
        let file = File::open(&self.path).with_context(|| cannot_read(&self.path))?;
        let Columns { prediction, truth, sigma, group } = self.columns;
        let wanted = [Some(prediction), truth, sigma, group].into_iter().flatten();
        let schema = self.metadata.parquet_schema();
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.labelled()?)
            .with_projection(ProjectionMask::roots(schema, wanted))
            .with_row_groups(vec![part.row_group])
            .with_offset(part.offset)
            .with_limit(part.rows)
            .with_batch_size(BATCH)
            .build()
            .with_context(|| cannot_read(&self.path))?;
        let mut first = part.first;
        for batch in batches {
            let batch = batch.with_context(|| cannot_read(&self.path))?;
            let batch = Batch::of(&batch, &self.metadata, self.columns, &mut labels)
                .with_context(|| self.path.display().to_string())?;
            for index in 0..batch.prediction.len() {
                take(&batch.row(index)).with_context(|| {
                    format!("{} row {}", self.path.display(), first + index + 1)
                })?;
            }
            first += batch.prediction.len();
        }
        Ok(())
    }

    /// Labels are decoded once each, and rows say which.
    fn labelled(&self) -> Result<ArrowReaderMetadata> {
        let Some(group) = self.columns.group else { return Ok(self.metadata.clone()) };
        let schema = self.metadata.schema();
        let mut fields = schema.fields().to_vec();
        if !matches!(fields[group].data_type(), DataType::Utf8 | DataType::LargeUtf8) {
            return Ok(self.metadata.clone());
        }
        let field = Field::clone(&fields[group]).with_data_type(label_type());
        fields[group] = Arc::new(field);
        let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        ArrowReaderMetadata::try_new(self.metadata.metadata().clone(), options)
            .with_context(|| cannot_read(&self.path))
    }
}

fn label_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Decoded rows.
struct Batch {
    prediction: ArrayRef,
    truth: Option<ArrayRef>,
    sigma: Option<ArrayRef>,
    /// A place among the labels for each row; none where it has no label.
    places: Vec<Option<usize>>,
    labels: Vec<Arc<str>>,
    none: Arc<str>,
}

impl Batch {
    fn of(
        batch: &RecordBatch,
        file: &ArrowReaderMetadata,
        columns: Columns,
        known: &mut Labels,
    ) -> Result<Self> {
        let cast = |place: usize, to: &DataType| -> Result<ArrayRef> {
            let name = file.schema().field(place).name();
            let column = batch.column_by_name(name).with_context(|| format!("no column {name}"))?;
            arrow_cast::cast(column, to).with_context(|| format!("column {name}"))
        };
        let number = |place: usize| cast(place, &DataType::Float64);
        let mut made = Self {
            prediction: number(columns.prediction)?,
            truth: columns.truth.map(number).transpose()?,
            sigma: columns.sigma.map(number).transpose()?,
            places: Vec::new(),
            labels: Vec::new(),
            none: known.of("").clone(),
        };
        if let Some(group) = columns.group {
            let column = cast(group, &label_type())?;
            let column = column.as_dictionary::<Int32Type>();
            made.places = column.keys_iter().collect();
            let names = column.values().as_string::<i32>();
            made.labels =
                names.iter().map(|name| known.of(name.unwrap_or_default()).clone()).collect();
        }
        Ok(made)
    }

    fn row(&self, index: usize) -> Row<'_> {
        // A missing number is NaN, which is refused where numbers are checked.
        let number = |column: &ArrayRef| match column.is_null(index) {
            true => f64::NAN,
            false => column.as_primitive::<Float64Type>().value(index),
        };
        let label = |place: &Option<usize>| place.map_or(&self.none, |place| &self.labels[place]);
        Row {
            prediction: number(&self.prediction),
            truth: self.truth.as_ref().map_or(0.0, number),
            sigma: self.sigma.as_ref().map_or(0.0, number),
            label: self.places.get(index).map(label),
        }
    }
}
