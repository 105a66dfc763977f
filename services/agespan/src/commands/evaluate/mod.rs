//! `agespan evaluate`.
//!
//! * `tables`: the estimator's report for a terminal; `json`: as an object; `rows`: its faces as CSV.

mod json;
mod rows;
mod tables;

use std::fs;
use std::path::Path;

use agespan_client::proto::dataset::v1 as dataset;
use agespan_client::proto::evaluator::v1 as proto;
use anyhow::{Context, Result};

use crate::arguments::{Estimator, Evaluate, Split};
use crate::commands::{Session, generated, images, resource, scores};

pub(crate) use json::to_json;
pub(crate) use rows::word;
pub(crate) use tables::show_report;

/// Runs one of the evaluations.
pub(crate) async fn run(session: &Session, command: &Evaluate) -> Result<()> {
    let asked = match command {
        Evaluate::Estimator(command) => command,
        Evaluate::Images(command) => return images::run(session, command).await,
        Evaluate::Generated(command) => return generated::run(session, command).await,
        Evaluate::Scores(command) => return scores::run(session, command).await,
    };
    let answer = estimator(session, request(asked)).await?;
    let report = answer.report.unwrap_or_default();
    let (name, report) = (report.name, report.estimator.unwrap_or_default());
    let json = to_json(&report);
    if session.json {
        println!("{json}");
    } else {
        show_report(&report);
    }
    if let Some(folder) = &asked.out {
        write(folder, &json, &answer.html)?;
        rows::write(session, name, &folder.join("rows.csv")).await?;
    }
    Ok(())
}

fn request(asked: &Estimator) -> proto::EvaluateEstimatorRequest {
    let named = |collection, name: &str| {
        if name.is_empty() { String::new() } else { resource(collection, name) }
    };
    let baseline =
        |collection, name: &Option<String>| named(collection, name.as_deref().unwrap_or_default());
    proto::EvaluateEstimatorRequest {
        dataset: resource("datasets", &asked.dataset),
        split: to_proto(asked.split).into(),
        model: named("models", &asked.model),
        coverage: Some(asked.coverage),
        ages: asked.ages.clone(),
        false_pass_rate: asked.false_pass_rate,
        baseline_model: baseline("models", &asked.baseline),
        baseline_calibration: baseline("calibrations", &asked.baseline_calibration),
        ..Default::default()
    }
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
