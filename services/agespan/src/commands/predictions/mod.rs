//! `agespan calibrate --predictions`: any predictor's intervals, from files, without a server.
//!
//! * [`fit`]: predictions with their truths to thresholds.
//! * [`apply`]: new predictions to intervals beside each row.
//! * [`table`]: rows of a CSV or Parquet file, a few thousand at a time.

mod apply;
mod table;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use agespan_conformal::{
    AgeSupport, Calibration, CalibrationSpec, Coverage, Fitting, Grouping, Part, Prediction, Score,
};
use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::arguments;
use crate::show;
use table::{Row, Table};

/// Fits, shows the thresholds, and applies them where a file is named.
pub(crate) fn run(file: &Path, calibrate: &arguments::Calibrate, json: bool) -> Result<()> {
    let coverage = Coverage::new(calibrate.coverage).context("--coverage")?;
    let calibration = fit(file, calibrate)?;
    let written = match &calibrate.apply {
        Some(new) => Some(apply::apply(&calibration, new, calibrate.out.as_deref(), coverage)?),
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

fn fit(file: &Path, calibrate: &arguments::Calibrate) -> Result<Calibration> {
    let table = Table::open(file)?;
    if !table.has_truth() {
        bail!("{} has no column called truth, which calibration needs", file.display());
    }
    let spec = spec(&table, calibrate)?;
    let mut fitting = Fitting::new(spec, AgeSupport::default());
    let mut labels = Labels::default();
    table.rows(|row| {
        let prediction = labels.prediction(row, spec)?;
        Ok(fitting.add(&prediction, row.truth)?)
    })?;
    fitting.finish().with_context(|| file.display().to_string())
}

/// Absolute scores where no other is asked for; groups by the file's labels where it has some.
fn spec(table: &Table, calibrate: &arguments::Calibrate) -> Result<CalibrationSpec> {
    let score = calibrate.score.map_or(Score::Absolute, Score::from);
    if score.needs().is_some() {
        bail!("that score needs distributions, which a table has not; bring them by gRPC");
    }
    if score == Score::Sigma && !table.has_sigma() {
        bail!("the score sigma needs a column called sigma; choose --score absolute");
    }
    let grouping = match calibrate.grouping.map(Grouping::from) {
        None if table.has_group() => Grouping::Label,
        None => Grouping::None,
        Some(Grouping::Label) if !table.has_group() => {
            bail!("--grouping label needs a column called group")
        }
        Some(grouping) if grouping.needs() == Some(Part::Gender) => {
            bail!("a table has no genders to group by; make them its group column")
        }
        Some(grouping) => grouping,
    };
    Ok(CalibrationSpec::new(score, grouping))
}

/// Labels that occurred, each held once.
#[derive(Default)]
struct Labels(HashMap<String, Arc<str>>);

impl Labels {
    fn prediction(&mut self, row: &Row<'_>, spec: CalibrationSpec) -> Result<Prediction> {
        let prediction = Prediction::new(row.prediction, row.sigma)?;
        if spec.grouping != Grouping::Label {
            return Ok(prediction);
        }
        if let Some(label) = self.0.get(row.group) {
            return Ok(prediction.with_label(label.clone()));
        }
        let label: Arc<str> = row.group.into();
        self.0.insert(row.group.to_owned(), label.clone());
        Ok(prediction.with_label(label))
    }
}
