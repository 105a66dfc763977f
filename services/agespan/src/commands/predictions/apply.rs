//! Intervals beside each row of a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agespan_conformal::{AtLevel, Bounds, Calibration, Coverage};
use anyhow::{Context, Result, bail};
use arrow_array::{Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;

use super::Labels;
use super::table::{Row, Table, cannot_read, csv_reader, is_parquet};

/// Writes the rows of `new` with two more columns, lower and upper, in years. Nothing is left
/// behind when a row is refused. Gives the file that was written: `out`, or NEW.intervals.csv.
pub(super) fn apply(
    calibration: &Calibration,
    new: &Path,
    out: Option<&Path>,
    coverage: Coverage,
) -> Result<PathBuf> {
    let table = Table::open(new)?;
    let extension = if is_parquet(new) { "intervals.parquet" } else { "intervals.csv" };
    let out = out.map_or_else(|| new.with_extension(extension), Path::to_owned);
    if is_parquet(&out) != is_parquet(new) {
        bail!("{} and {} must both be CSV or both Parquet", new.display(), out.display());
    }
    let part = out.with_extension("part");
    let mut intervals =
        Intervals { at: calibration.at(coverage), labels: Labels::default(), calibration };
    let written = if is_parquet(new) {
        parquet(&table, &mut intervals, &part)
    } else {
        csv(&table, &mut intervals, &part)
    };
    if let Err(error) = written {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    fs::rename(&part, &out).with_context(|| cannot_write(&out))?;
    Ok(out)
}

struct Intervals<'a> {
    at: AtLevel<'a>,
    labels: Labels,
    calibration: &'a Calibration,
}

impl Intervals<'_> {
    fn of(&mut self, row: &Row<'_>) -> Result<Bounds> {
        let prediction = self.labels.prediction(row, self.calibration.spec())?;
        Ok(self.at.bounds(&prediction))
    }
}

fn csv(table: &Table, intervals: &mut Intervals<'_>, part: &Path) -> Result<()> {
    let mut reader = csv_reader(&table.path)?;
    let file = File::create(part).with_context(|| cannot_write(part))?;
    let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 20).from_writer(file);
    let mut header = reader.byte_headers().with_context(|| cannot_read(&table.path))?.clone();
    header.push_field(b"lower");
    header.push_field(b"upper");
    writer.write_byte_record(&header).with_context(|| cannot_write(part))?;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).with_context(|| cannot_read(&table.path))? {
        let line = record.position().map_or(0, csv::Position::line);
        let place = || format!("{} line {line}", table.path.display());
        let row = table.columns.row(&record).with_context(place)?;
        let bounds = intervals.of(&row).with_context(place)?;
        record.push_field(bounds.lower.to_string().as_bytes());
        record.push_field(bounds.upper.to_string().as_bytes());
        writer.write_byte_record(&record).with_context(|| cannot_write(part))?;
    }
    writer.flush().with_context(|| cannot_write(part))
}

fn parquet(table: &Table, intervals: &mut Intervals<'_>, part: &Path) -> Result<()> {
    let mut writer = None;
    let mut first = 0;
    for batch in table.batches()? {
        let batch = batch.with_context(|| cannot_read(&table.path))?;
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        table.batch_rows(&batch, first, &mut |row| {
            let bounds = intervals.of(row)?;
            lower.push(bounds.lower);
            upper.push(bounds.upper);
            Ok(())
        })?;
        first += batch.num_rows();
        let number = |name: &str| Arc::new(Field::new(name, DataType::Float64, false));
        let schema = batch.schema();
        let fields = schema.fields().iter().cloned().chain(["lower", "upper"].map(number));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(Float64Array::from(lower)));
        columns.push(Arc::new(Float64Array::from(upper)));
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => {
                let file = File::create(part).with_context(|| cannot_write(part))?;
                none.insert(ArrowWriter::try_new(file, schema, None)?)
            }
        };
        writer.write(&batch).with_context(|| cannot_write(part))?;
    }
    match writer {
        Some(writer) => writer.close().map(drop).with_context(|| cannot_write(part)),
        None => bail!("{} has no rows", table.path.display()),
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
