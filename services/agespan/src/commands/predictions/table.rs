//! A CSV or Parquet file with its columns found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use agespan_conformal::{AtLevel, CalibrationSpec, Fitting, Grouping};
use anyhow::{Result, bail};

use super::columns::Columns;
use super::csv::CsvTable;
use super::parquet::ParquetTable;
use super::row::Labels;

/// A file. Of its columns only those that are needed are decoded.
pub(super) enum Table {
    Csv(CsvTable),
    Parquet(ParquetTable),
}

impl Table {
    /// Finds the columns of a file; .parquet is Parquet, everything else CSV with a header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(match is_parquet(path) {
            true => Self::Parquet(undamaged(path, || ParquetTable::open(path))?),
            false => Self::Csv(CsvTable::open(path)?),
        })
    }

    pub(super) fn columns(&self) -> &Columns {
        match self {
            Self::Csv(table) => &table.columns,
            Self::Parquet(table) => &table.columns,
        }
    }

    /// Without labels where groups go by something else.
    pub(super) fn for_spec(mut self, spec: CalibrationSpec) -> Self {
        if spec.grouping != Grouping::Label {
            self.columns_mut().group = None;
        }
        self
    }

    /// Without truths, which only calibration needs.
    pub(super) fn without_truths(mut self) -> Self {
        self.columns_mut().truth = None;
        self
    }

    /// Counts all rows. An error names the file and the row.
    pub(super) fn fit(&self, begin: impl Fn() -> Fitting + Sync) -> Result<Fitting> {
        match self {
            Self::Csv(table) => table.fit(begin),
            Self::Parquet(table) => undamaged(table.path(), || table.fit(begin)),
        }
    }

    /// Writes the rows with two more columns, lower and upper. `labels` are those that are known. An error names the file and the row.
    pub(super) fn apply(&self, at: &AtLevel<'_>, labels: &Labels, out: &Path) -> Result<()> {
        match self {
            Self::Csv(table) => table.apply(at, labels, out),
            Self::Parquet(table) => undamaged(table.path(), || table.apply(at, labels, out)),
        }
    }

    fn columns_mut(&mut self) -> &mut Columns {
        match self {
            Self::Csv(table) => &mut table.columns,
            Self::Parquet(table) => &mut table.columns,
        }
    }
}

/// The library answers some damaged files with a panic. What was being made is thrown away.
fn undamaged<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done,
        Err(_) => bail!("{} is damaged: write it again", path.display()),
    }
}

pub(super) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}
