//! `agespan evaluate generated`: faces drawn over a grid, and what is estimated of them.

use std::path::Path;

use agespan_client::proto::evaluator::v1 as proto;
use agespan_client::proto::generator::v1 as generator;
use agespan_client::proto::generator::v1::generate_faces_request::Subject;
use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::arguments::Generated;
use crate::commands::evaluate::word;
use crate::commands::{Session, evaluate, pipeline, resource};
use crate::show::{self, percent};

/// Draws, where no generation is named, and cross-checks.
pub(crate) async fn run(session: &Session, asked: &Generated) -> Result<()> {
    let report = cross_check(session, asked).await?;
    let html = report.html;
    let report = report.report.unwrap_or_default().cross_check.unwrap_or_default();
    let json = to_json(&report);
    if session.json {
        println!("{json}");
    } else {
        show_report(&report);
    }
    match &asked.out {
        Some(folder) => write(folder, &report, &json, &html),
        None => Ok(()),
    }
}

/// The report of a cross-check, with its page.
pub(crate) async fn cross_check(
    session: &Session,
    asked: &Generated,
) -> Result<proto::GetReportResponse> {
    let generated = match &asked.generated {
        Some(job) => resource("jobs", job),
        None => draw(session, asked).await?,
    };
    let named = |collection, name: &Option<String>| {
        name.as_deref().map(|name| resource(collection, name)).unwrap_or_default()
    };
    let request = proto::CrossCheckGeneratedRequest {
        generated,
        model: named("models", &asked.model),
        coverage: Some(asked.coverage),
        dataset: named("datasets", &asked.dataset),
        second_model: named("models", &asked.second_model),
        ..Default::default()
    };
    let answer = session.client.evaluator().cross_check_generated(request).await?.into_inner();
    let name = session.follow("estimating", answer.job).await?;
    let request = proto::GetReportRequest { name, include_html: true };
    Ok(session.client.evaluator().get_report(request).await?.into_inner())
}

async fn draw(session: &Session, asked: &Generated) -> Result<String> {
    let pipeline = match &asked.pipeline {
        Some(named) if named.is_dir() => pipeline::add(&session.client, named).await?.name,
        Some(named) => resource("pipelines", &named.display().to_string()),
        None => String::new(),
    };
    let grid = generator::FaceGrid { ages: asked.ages.clone(), ..Default::default() };
    let request = generator::GenerateFacesRequest {
        pipeline,
        subject: Some(Subject::Grid(grid)),
        count: asked.count,
        seed: asked.seed,
        steps: asked.steps,
        guidance_scale: Some(asked.guidance),
        ..Default::default()
    };
    let answer = session.client.generator().generate_faces(request).await?.into_inner();
    session.follow("drawing", answer.job).await
}

/// The report as a table and an answer.
pub(crate) fn show_report(report: &proto::CrossCheckReport) {
    let mut table = show::table(&[
        "prompted",
        "n",
        "difference, years",
        "estimate less prompt",
        "prompt inside",
        "mean width",
    ]);
    for group in report.overall.iter().chain(&report.by_prompted_decade) {
        let difference = group.mae.unwrap_or_default();
        let inside = group.coverage.unwrap_or_default();
        table.add_row([
            group.name.clone(),
            group.count.to_string(),
            format!("{:.1} ({:.1}–{:.1})", difference.value, difference.lower, difference.upper),
            format!("{:+.1}", group.bias),
            percent(inside.value),
            format!("{:.1}", group.mean_width),
        ]);
    }
    println!("{table}");
    report.answer.iter().for_each(|sentence| println!("{sentence}"));
}

/// Writes report.json, report.html and rows.csv.
pub(crate) fn write(
    folder: &Path,
    report: &proto::CrossCheckReport,
    json: &Value,
    html: &str,
) -> Result<()> {
    evaluate::write(folder, json, html)?;
    let path = folder.join("rows.csv");
    let cannot = || format!("cannot write {}", path.display());
    let mut rows = csv::Writer::from_path(&path).with_context(cannot)?;
    rows.write_record([
        "index",
        "seed",
        "prompted_age",
        "prompted_gender",
        "prompted_race",
        "age",
        "lower",
        "upper",
        "shifted_lower",
        "shifted_upper",
        "group",
        "gender",
        "probability_female",
        "faces",
        "second_age",
        "second_lower",
        "second_upper",
    ])
    .with_context(cannot)?;
    for row in &report.rows {
        let asked = row.prompted.clone().unwrap_or_default();
        let optional =
            |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        rows.write_record([
            row.index.to_string(),
            row.seed.to_string(),
            asked.age.to_string(),
            word(asked.gender()),
            asked.race,
            row.age.to_string(),
            row.lower.to_string(),
            row.upper.to_string(),
            optional(row.shifted_lower),
            optional(row.shifted_upper),
            row.group.clone(),
            word(row.gender()),
            row.probability_female.to_string(),
            row.faces.map(|faces| faces.to_string()).unwrap_or_default(),
            optional(row.second_age),
            optional(row.second_lower),
            optional(row.second_upper),
        ])
        .with_context(cannot)?;
    }
    rows.flush().with_context(cannot)
}

/// The figures, without the single images.
pub(crate) fn to_json(report: &proto::CrossCheckReport) -> Value {
    let bounded = |figure: Option<proto::Bounded>| {
        let figure = figure.unwrap_or_default();
        json!({ "value": figure.value, "lower": figure.lower, "upper": figure.upper })
    };
    let group = |group: &proto::GroupMetrics| {
        json!({
            "prompted": group.name, "count": group.count, "difference": bounded(group.mae),
            "bias": group.bias, "inside": bounded(group.coverage), "mean_width": group.mean_width,
        })
    };
    let gender = report.gender.clone().unwrap_or_default();
    json!({
        "generated": report.generated, "pipeline": report.pipeline, "model": report.model, "calibration": report.calibration,
        "coverage": report.coverage, "refused": report.refused, "slope": bounded(report.slope),
        "intercept": report.intercept, "correlation": bounded(report.correlation),
        "overall": report.overall.as_ref().map(group),
        "by_prompted_decade": report.by_prompted_decade.iter().map(group).collect::<Vec<_>>(),
        "gender_agreement": bounded(gender.accuracy),
        "shifted": report.shifted.as_ref().map(|shifted| json!({
            "inside": bounded(shifted.inside), "mean_width": shifted.mean_width,
            "effective_sample_size": shifted.effective_sample_size,
        })),
        "second": report.second.as_ref().map(|second| json!({
            "model": second.model, "calibration": second.calibration,
            "slope": bounded(second.slope), "correlation": bounded(second.correlation),
            "overall": second.overall.as_ref().map(group), "apart": bounded(second.apart),
        })),
        "answer": report.answer,
    })
}
