//! `agespan evaluate scores`: every nonconformity score on the same faces.

use agespan_client::SplitEstimates;
use agespan_client::proto::dataset::v1 as dataset;
use agespan_client::proto::estimator::v1::{BatchEstimateAgeRequest, image_result};
use agespan_conformal::{
    AgeSupport, Calibration, CalibrationSpec, Coverage, CoverageRow, CoverageTable, Grouping,
    Outcome, Prediction, Score,
};
use agespan_service::transport::prediction_from_proto;
use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::arguments;
use crate::commands::{Session, evaluate, resource};
use crate::show;

type Faces = Vec<(Prediction, f64)>;

/// Fits each score on the calibration split, without storing anything, and measures it on another.
pub(crate) async fn run(session: &Session, command: &arguments::Scores) -> Result<()> {
    let arguments::Scores { dataset, model, coverage, split, grouping } = command;
    let (coverage, split, grouping) = (*coverage, *split, *grouping);
    if split == arguments::Split::Calibration {
        bail!("intervals are measured on faces that they were not calibrated on: --split test");
    }
    let coverage = Coverage::new(coverage).context("--coverage")?;
    let grouping = Grouping::from(grouping);
    if grouping == Grouping::Label {
        bail!("a data set has no labels; choose another --grouping");
    }
    let dataset = resource("datasets", dataset);
    let mut model = if model.is_empty() { String::new() } else { resource("models", model) };
    let calibration = faces(session, &dataset, dataset::Split::Calibration, &mut model).await?;
    let measured = faces(session, &dataset, evaluate::to_proto(split), &mut model).await?;
    let mut tables = Vec::new();
    for score in Score::ALL {
        let spec = CalibrationSpec::new(score, grouping);
        let rows = calibration.iter().cloned();
        let fitted = Calibration::fit(spec, AgeSupport::default(), rows)?;
        tables.push((score, measure(&fitted, &measured, coverage)?));
    }
    if session.json {
        for (score, table) in &tables {
            println!("{}", json!({"score": score.name(), "model": model, "coverage": table}));
        }
    } else {
        show_tables(&tables);
    }
    Ok(())
}

/// What the model says of a split, with the true ages. The model is pinned by its first answer.
async fn faces(
    session: &Session,
    name: &str,
    split: dataset::Split,
    model: &mut String,
) -> Result<Faces> {
    let asked = BatchEstimateAgeRequest {
        model: model.clone(),
        include_distribution: true,
        ..Default::default()
    };
    let client = &session.client;
    let mut estimates = SplitEstimates::begin(client, client, name, split, asked).await?;
    let mut faces = Vec::new();
    while let Some((labels, answer)) = estimates.next().await? {
        *model = answer.model;
        for (result, label) in answer.results.into_iter().zip(labels) {
            let Some(image_result::Outcome::Estimates(found)) = result.outcome else { continue };
            // Of a range the error is not known.
            let Some(truth) = label.age.map(f64::from) else { continue };
            for face in &found.faces {
                faces.push((prediction_from_proto(face)?, truth));
            }
        }
    }
    Ok(faces)
}

fn measure(fitted: &Calibration, faces: &Faces, coverage: Coverage) -> Result<CoverageTable> {
    let at = fitted.at(coverage);
    let intervals: Vec<_> = faces.iter().map(|(face, truth)| (at.interval(face), *truth)).collect();
    // In the true-age form the promise is to groups of the truth.
    let groups: Vec<String> = intervals
        .iter()
        .map(|(interval, truth)| match fitted.group_of_truth(*truth) {
            Some(group) => group.group().name.clone(),
            None => interval.group.clone(),
        })
        .collect();
    let outcomes = intervals.iter().zip(&groups).map(|((interval, truth), group)| Outcome {
        lower: interval.lower,
        upper: interval.upper,
        truth: *truth,
        group,
    });
    Ok(CoverageTable::new(coverage, outcomes)?)
}

fn show_tables(tables: &[(Score, CoverageTable)]) {
    let mut table =
        show::table(&["score", "faces", "n", "coverage (95 %)", "mean width", "median width"]);
    for (score, found) in tables {
        table.add_row(row(score.name(), &found.overall));
    }
    for (score, found) in tables {
        for group in &found.groups {
            table.add_row(row(score.name(), group));
        }
    }
    println!("{table}");
    // Verified: not significantly below what was asked for, overall or in any group.
    let verified = tables.iter().filter(|(_, found)| {
        !found.overall.below_nominal && found.groups.iter().all(|group| !group.below_nominal)
    });
    let best = verified.min_by(|a, b| a.1.overall.mean_width.total_cmp(&b.1.overall.mean_width));
    match best {
        Some((score, found)) => println!(
            "narrowest at verified coverage: {score}, {:.2} years",
            found.overall.mean_width
        ),
        None => println!("no score has its coverage verified in every group"),
    }
}

fn row(score: &str, row: &CoverageRow) -> Vec<String> {
    let coverage = show::bounded(row.coverage, row.coverage_lower, row.coverage_upper);
    let mark = if row.below_nominal { " below" } else { "" };
    vec![
        score.to_owned(),
        row.group.clone(),
        row.n.to_string(),
        format!("{coverage}{mark}"),
        format!("{:.2}", row.mean_width),
        format!("{:.2}", row.median_width),
    ]
}
