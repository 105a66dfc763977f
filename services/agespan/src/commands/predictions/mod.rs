//! `agespan calibrate --predictions`: any predictor's intervals, from files, without a server.
//!
//! * [`fit`]: predictions with their truths to thresholds.
//! * [`apply`]: new predictions to intervals beside each row.
//! * [`table`]: a CSV or Parquet file, read by all threads in parts of bounded size.

mod apply;
mod blocks;
mod columns;
mod csv;
mod parquet;
mod row;
mod splice;
mod table;

use std::path::Path;

use agespan_conformal::{
    AgeSupport, Calibration, CalibrationSpec, Coverage, Fitting, Grouping, Part, Score,
};
use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::arguments;
use crate::show;
pub use apply::apply;
use table::Table;

/// Fits, shows the thresholds, and applies them where a file is named.
pub(crate) fn run(file: &Path, calibrate: &arguments::Calibrate, json: bool) -> Result<()> {
    let coverage = Coverage::new(calibrate.coverage).context("--coverage")?;
    let (score, grouping) =
        (calibrate.score.map(Score::from), calibrate.grouping.map(Grouping::from));
    let calibration = fit(file, score, grouping)?;
    let written = match &calibrate.apply {
        Some(new) => Some(apply(&calibration, new, calibrate.out.as_deref(), coverage)?),
        None => None,
    };
    if json {
        let groups: Vec<_> = calibration
            .groups()
            .iter()
            .map(|group| {
                let threshold = group.threshold(coverage);
                json!({
                    "group": group.group().name, "n": group.scores().len(),
                    "threshold": threshold, "sufficient": threshold.is_some(),
                })
            })
            .collect();
        println!(
            "{}",
            json!({
                "score": calibration.spec().score.name(), "coverage": coverage.as_f64(),
                "groups": groups, "intervals": written,
            })
        );
        return Ok(());
    }
    let mut table = show::table(&["group", "calibration rows", "threshold"]);
    for group in calibration.groups() {
        let threshold = group.threshold(coverage);
        let threshold = threshold.map_or("too few rows".to_owned(), |score| format!("{score:.4}"));
        table.add_row(vec![
            group.group().name.clone(),
            group.scores().len().to_string(),
            threshold,
        ]);
    }
    println!("{table}");
    if let Some(written) = written {
        println!("intervals are in {}", written.display());
    }
    Ok(())
}

/// The calibration of a file of predictions and truths. Absolute scores where no other is asked for;
/// groups by the file's labels where it has some.
///
/// # Errors
/// When the file cannot be read or a row is refused, which is named.
pub fn fit(file: &Path, score: Option<Score>, grouping: Option<Grouping>) -> Result<Calibration> {
    let table = Table::open(file)?;
    if table.columns().truth.is_none() {
        bail!("{} has no column called truth, which calibration needs", file.display());
    }
    let spec = spec(&table, score, grouping)?;
    let fitting = table.for_spec(spec).fit(|| Fitting::new(spec, AgeSupport::default()))?;
    fitting.finish().with_context(|| file.display().to_string())
}

fn spec(
    table: &Table,
    score: Option<Score>,
    grouping: Option<Grouping>,
) -> Result<CalibrationSpec> {
    let score = score.unwrap_or(Score::Absolute);
    if score.needs().is_some() {
        bail!("that score needs distributions, which a table has not; bring them by gRPC");
    }
    if score == Score::Sigma && table.columns().sigma.is_none() {
        bail!("the score sigma needs a column called sigma; choose --score absolute");
    }
    let has_group = table.columns().group.is_some();
    let grouping = match grouping {
        None if has_group => Grouping::Label,
        None => Grouping::None,
        Some(Grouping::Label) if !has_group => {
            bail!("--grouping label needs a column called group")
        }
        Some(grouping) if grouping.needs() == Some(Part::Gender) => {
            bail!("a table has no genders to group by; make them its group column")
        }
        Some(grouping) => grouping,
    };
    Ok(CalibrationSpec::new(score, grouping))
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests;
