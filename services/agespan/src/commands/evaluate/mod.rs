//! `agespan evaluate`.

use std::fs;
use std::path::Path;

use agespan_client::proto::dataset::v1 as dataset;
use agespan_client::proto::evaluator::v1 as proto;
use anyhow::{Context, Result};
use serde_json::json;

use crate::arguments::{Estimator, Evaluate, Split};
use crate::commands::{Session, generated, images, resource, scores};
use crate::show::{self, percent};

/// Runs one of the evaluations.
pub(crate) async fn run(session: &Session, command: &Evaluate) -> Result<()> {
    let Estimator { dataset, model, coverage, split, out } = match command {
        Evaluate::Estimator(command) => command,
        Evaluate::Images(command) => return images::run(session, command).await,
        Evaluate::Generated(command) => return generated::run(session, command).await,
        Evaluate::Scores(command) => return scores::run(session, command).await,
    };
    let request = proto::EvaluateEstimatorRequest {
        dataset: resource("datasets", dataset),
        split: to_proto(*split).into(),
        model: if model.is_empty() { String::new() } else { resource("models", model) },
        coverage: Some(*coverage),
        ..Default::default()
    };
    let answer = estimator(session, request).await?;
    let report = answer.report.unwrap_or_default().estimator.unwrap_or_default();
    let json = to_json(&report);
    if session.json {
        println!("{json}");
    } else {
        show_report(&report);
    }
    if let Some(folder) = out {
        write(folder, &json, &answer.html)?;
    }
    Ok(())
}

/// Writes report.json and report.html.
pub(crate) fn write(folder: &Path, json: &serde_json::Value, html: &str) -> Result<()> {
    let cannot = || format!("cannot write to {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    fs::write(folder.join("report.json"), serde_json::to_vec_pretty(json)?).with_context(cannot)?;
    fs::write(folder.join("report.html"), html).with_context(cannot)
}

/// A split as the protocol has it.
pub(crate) fn to_proto(split: Split) -> dataset::Split {
    match split {
        Split::Train => dataset::Split::Train,
        Split::Validation => dataset::Split::Validation,
        Split::Calibration => dataset::Split::Calibration,
        Split::Test => dataset::Split::Test,
    }
}

/// Evaluates the estimator and gives the report with its page.
pub(crate) async fn estimator(
    session: &Session,
    request: proto::EvaluateEstimatorRequest,
) -> Result<proto::GetReportResponse> {
    let answer = session.client.evaluator().evaluate_estimator(request).await?.into_inner();
    let name = session.follow("evaluating", answer.job).await?;
    let request = proto::GetReportRequest { name, include_html: true };
    Ok(session.client.evaluator().get_report(request).await?.into_inner())
}

/// The report as tables.
pub(crate) fn show_report(report: &proto::EstimatorReport) {
    let mut table = show::table(&[
        "faces",
        "n",
        "MAE (95 %)",
        "within 5",
        "coverage (95 %)",
        "mean width",
        "median width",
    ]);
    table.add_row(row("all", report.overall.as_ref()));
    for group in &report.by_predicted_group {
        table.add_row(row(&format!("predicted {}", group.name), Some(group)));
    }
    for group in &report.by_true_decade {
        table.add_row(row(&format!("truly {}", group.name), Some(group)));
    }
    // Products of two labels have too many rows for a terminal; the page shows them.
    for division in report.divisions.iter().filter(|division| !division.by.contains(" and ")) {
        for group in &division.groups {
            table.add_row(row(&group.name, Some(group)));
        }
    }
    println!("{table}");
    let gender = report.gender.unwrap_or_default();
    let accuracy = gender.accuracy.unwrap_or_default();
    println!(
        "gender: {} right ({} to {}), balanced {}",
        percent(accuracy.value),
        percent(accuracy.lower),
        percent(accuracy.upper),
        percent(gender.balanced_accuracy)
    );
    if report.range_labelled > 0 {
        println!("{} faces have a range for an age and are in no figure", report.range_labelled);
    }
    println!(
        "{} on {}, {}, intervals asked for {}",
        report.model,
        report.dataset,
        report.calibration,
        percent(report.coverage)
    );
}

fn row(name: &str, metrics: Option<&proto::GroupMetrics>) -> Vec<String> {
    let metrics = metrics.cloned().unwrap_or_default();
    let mae = metrics.mae.unwrap_or_default();
    let coverage = metrics.coverage.unwrap_or_default();
    vec![
        name.to_owned(),
        metrics.count.to_string(),
        format!("{:.2} ({:.2} to {:.2})", mae.value, mae.lower, mae.upper),
        percent(metrics.within_five.unwrap_or_default().value),
        show::bounded(coverage.value, coverage.lower, coverage.upper),
        format!("{:.1}", metrics.mean_width),
        format!("{:.1}", metrics.median_width),
    ]
}

/// The report as one object.
pub(crate) fn to_json(report: &proto::EstimatorReport) -> serde_json::Value {
    let gender = report.gender.unwrap_or_default();
    let groups = |groups: &[proto::GroupMetrics]| groups.iter().map(group).collect::<Vec<_>>();
    json!({
        "dataset": report.dataset, "split_hash": report.split_hash,
        "model": report.model, "calibration": report.calibration,
        "coverage": report.coverage, "refused": report.refused,
        "range_labelled": report.range_labelled,
        "overall": report.overall.as_ref().map(group),
        "by_predicted_group": groups(&report.by_predicted_group),
        "by_true_decade": groups(&report.by_true_decade),
        "gender": {
            "accuracy": bounded(gender.accuracy),
            "balanced_accuracy": gender.balanced_accuracy,
        },
        "divisions": report.divisions.iter().map(|division| {
            json!({"by": division.by, "groups": groups(&division.groups)})
        }).collect::<Vec<_>>(),
        "diagnostics": report.diagnostics.as_ref().map(diagnostics),
    })
}

fn diagnostics(found: &proto::Diagnostics) -> serde_json::Value {
    let levels = |levels: &[proto::LevelCoverage]| levels.iter().map(level).collect::<Vec<_>>();
    let slab = found.worst_slab.as_ref().map(|slab| {
        json!({
            "direction": slab.direction, "n": slab.count, "coverage": bounded(slab.coverage),
        })
    });
    json!({
        "curve": levels(&found.curve), "by_width": levels(&found.by_width), "worst_slab": slab,
    })
}

fn level(level: &proto::LevelCoverage) -> serde_json::Value {
    json!({
        "name": level.name, "level": level.level, "n": level.count,
        "coverage": bounded(level.coverage), "mean_width": level.mean_width,
    })
}

fn group(metrics: &proto::GroupMetrics) -> serde_json::Value {
    json!({
        "group": metrics.name, "n": metrics.count, "mae": bounded(metrics.mae),
        "within_five": bounded(metrics.within_five), "bias": metrics.bias,
        "coverage": bounded(metrics.coverage),
        "mean_width": metrics.mean_width, "median_width": metrics.median_width,
    })
}

fn bounded(value: Option<proto::Bounded>) -> serde_json::Value {
    let value = value.unwrap_or_default();
    json!({"value": value.value, "lower": value.lower, "upper": value.upper})
}
