//! Intervals beside each row of a file.

use std::fs;
use std::path::{Path, PathBuf};

use agespan_conformal::{Calibration, Coverage};
use anyhow::{Context, Result, bail};

use super::cannot_write;
use super::row::Labels;
use super::table::{Table, is_parquet};

/// Writes the rows of `new` with two more columns, lower and upper, in years. Nothing is left
/// behind when a row is refused. Gives the file that was written: `out`, or NEW.intervals.csv.
///
/// # Errors
/// When a file cannot be read or written, or a row is refused, which is named.
pub fn apply(
    calibration: &Calibration,
    new: &Path,
    out: Option<&Path>,
    coverage: Coverage,
) -> Result<PathBuf> {
    let table = Table::open(new)?.for_spec(calibration.spec()).without_truths();
    let extension = if is_parquet(new) { "intervals.parquet" } else { "intervals.csv" };
    let out = out.map_or_else(|| new.with_extension(extension), Path::to_owned);
    if is_parquet(&out) != is_parquet(new) {
        bail!("{} and {} must both be CSV or both Parquet", new.display(), out.display());
    }
    let part = out.with_extension("part");
    let labels = Labels::of_groups(calibration.groups());
    if let Err(error) = table.apply(&calibration.at(coverage), &labels, &part) {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    fs::rename(&part, &out).with_context(|| cannot_write(&out))?;
    Ok(out)
}
