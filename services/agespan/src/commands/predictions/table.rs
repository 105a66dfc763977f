//! Rows of a CSV or Parquet file. Columns are found by name: prediction, truth, sigma, group.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

/// A row. What its file has no column for is 0 or empty.
pub(super) struct Row<'a> {
    pub(super) prediction: f64,
    pub(super) sigma: f64,
    pub(super) truth: f64,
    pub(super) group: &'a str,
}

/// A file with its columns found.
pub(super) struct Table {
    pub(super) path: PathBuf,
    pub(super) columns: Columns,
}

/// Where the columns are.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    prediction: usize,
    truth: Option<usize>,
    sigma: Option<usize>,
    group: Option<usize>,
}

impl Columns {
    fn find<'a>(names: impl Iterator<Item = &'a str>, path: &Path) -> Result<Self> {
        let names: Vec<&str> = names.map(str::trim).collect();
        let place = |name: &str| -> Result<Option<usize>> {
            let mut places = names.iter().enumerate().filter(|(_, found)| **found == name);
            let first = places.next().map(|(place, _)| place);
            match places.next() {
                Some(_) => bail!("{} has two columns called {name}", path.display()),
                None => Ok(first),
            }
        };
        let prediction = place("prediction")?.ok_or_else(|| {
            anyhow!("{} has no column called prediction; it has {names:?}", path.display())
        })?;
        Ok(Self {
            prediction,
            truth: place("truth")?,
            sigma: place("sigma")?,
            group: place("group")?,
        })
    }
}

impl Table {
    /// Finds the columns of a file; .parquet is Parquet, everything else CSV with a header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let columns = if is_parquet(path) {
            let schema = parquet_builder(path)?.schema().clone();
            Columns::find(schema.fields().iter().map(|field| field.name().as_str()), path)?
        } else {
            Columns::find(
                csv_reader(path)?.headers().with_context(|| cannot_read(path))?.iter(),
                path,
            )?
        };
        Ok(Self { path: path.to_owned(), columns })
    }

    pub(super) fn has_truth(&self) -> bool {
        self.columns.truth.is_some()
    }

    pub(super) fn has_sigma(&self) -> bool {
        self.columns.sigma.is_some()
    }

    pub(super) fn has_group(&self) -> bool {
        self.columns.group.is_some()
    }

    /// Gives each row to `take`, in order. An error names the file and the row.
    pub(super) fn rows(&self, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        if is_parquet(&self.path) {
            let mut first = 0;
            for batch in self.batches()? {
                let batch = batch.with_context(|| cannot_read(&self.path))?;
                self.batch_rows(&batch, first, &mut take)?;
                first += batch.num_rows();
            }
            return Ok(());
        }
        let mut reader = csv_reader(&self.path)?;
        let mut record = csv::ByteRecord::new();
        // The header is line 1.
        while reader.read_byte_record(&mut record).with_context(|| cannot_read(&self.path))? {
            let line = record.position().map_or(0, csv::Position::line);
            let place = || format!("{} line {line}", self.path.display());
            take(&self.columns.row(&record).with_context(place)?).with_context(place)?;
        }
        Ok(())
    }

    /// The batches of a Parquet file.
    pub(super) fn batches(&self) -> Result<ParquetRecordBatchReader> {
        parquet_builder(&self.path)?.build().with_context(|| cannot_read(&self.path))
    }

    /// Gives each row of a batch to `take`; `first` is the number of rows before it.
    pub(super) fn batch_rows(
        &self,
        batch: &RecordBatch,
        first: usize,
        take: &mut impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let as_type = |place: usize, to: &DataType| -> Result<ArrayRef> {
            arrow_cast::cast(batch.column(place), to).with_context(|| {
                format!("{}: column {}", self.path.display(), batch.schema().field(place).name())
            })
        };
        let numbers = |place: Option<usize>| {
            place.map(|place| as_type(place, &DataType::Float64)).transpose()
        };
        let prediction = as_type(self.columns.prediction, &DataType::Float64)?;
        let (truth, sigma) = (numbers(self.columns.truth)?, numbers(self.columns.sigma)?);
        let group = self.columns.group.map(|place| as_type(place, &DataType::Utf8)).transpose()?;
        // A missing number is NaN, which is refused where numbers are checked.
        let number = |column: &ArrayRef, row: usize| match column.is_null(row) {
            true => f64::NAN,
            false => column.as_primitive::<Float64Type>().value(row),
        };
        for index in 0..batch.num_rows() {
            let row = Row {
                prediction: number(&prediction, index),
                sigma: sigma.as_ref().map_or(0.0, |column| number(column, index)),
                truth: truth.as_ref().map_or(0.0, |column| number(column, index)),
                group: group.as_ref().map_or("", |column| match column.is_null(index) {
                    true => "",
                    false => column.as_string::<i32>().value(index),
                }),
            };
            take(&row)
                .with_context(|| format!("{} row {}", self.path.display(), first + index + 1))?;
        }
        Ok(())
    }
}

impl Columns {
    /// A CSV record's row.
    pub(super) fn row<'a>(&self, record: &'a csv::ByteRecord) -> Result<Row<'a>> {
        let text = |place: usize| -> Result<&'a str> {
            Ok(std::str::from_utf8(record.get(place).unwrap_or_default())?.trim())
        };
        let number = |name: &str, place: Option<usize>| -> Result<f64> {
            let Some(place) = place else { return Ok(0.0) };
            let text = text(place)?;
            text.parse().map_err(|_| anyhow!("{name}: {text:?} is not a number"))
        };
        Ok(Row {
            prediction: number("prediction", Some(self.prediction))?,
            sigma: number("sigma", self.sigma)?,
            truth: number("truth", self.truth)?,
            group: self.group.map(text).transpose()?.unwrap_or_default(),
        })
    }
}

pub(super) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

pub(super) fn csv_reader(path: &Path) -> Result<csv::Reader<File>> {
    let file = File::open(path).with_context(|| cannot_read(path))?;
    Ok(csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_reader(file))
}

fn parquet_builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).with_context(|| cannot_read(path))?;
    ParquetRecordBatchReaderBuilder::try_new(file).with_context(|| cannot_read(path))
}

pub(super) fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}
