//! `agespan predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::age::v1::{Gender, IntervalStatus};
use agespan_client::proto::estimator::v1 as proto;
use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use crate::arguments::Predict;
use crate::commands::faces::{self, Faces};
use crate::commands::{photos, resource};
use crate::show;

/// Estimates every photo.
pub(crate) async fn run(client: &Client, predict: &Predict, json: bool) -> Result<ExitCode> {
    let found = photos::among(&predict.photos)?;
    Ok(estimate(client, predict, &found, json).await)
}

/// Photos as a table or as JSON lines, a face each.
pub(crate) async fn estimate(
    client: &Client,
    predict: &Predict,
    photos: &[PathBuf],
    json: bool,
) -> ExitCode {
    let sought = predict.look.faces != Faces::WholeImage;
    let mut columns = vec!["photo", "age", "interval", "group (faces)", "gender"];
    columns.extend(sought.then_some(["face", "doubts"]).into_iter().flatten());
    let mut table = show::table(&columns);
    let mut notes = Vec::new();
    let ask = async |image| client.estimator().estimate_age(request(predict, image)).await;
    let code = photos::each(photos, ask, |photo, answer| {
        if json {
            let lines = answer.faces.iter().map(|face| line(photo, face, &answer));
            lines.for_each(|line| println!("{line}"));
            answer.refused.iter().for_each(|face| println!("{}", refused_line(photo, face)));
        } else {
            for face in &answer.faces {
                let doubts = [faces::place(face.r#box), faces::issues(face.quality.as_ref())];
                let doubts = sought.then_some(doubts).into_iter().flatten();
                table.add_row(row(photo, face).into_iter().chain(doubts));
            }
            for face in &answer.refused {
                table.add_row(refused_row(photo, face));
            }
            notes.extend(left_out(photo, predict, &answer));
        }
    })
    .await;
    if table.row_count() > 0 {
        println!("{table}");
    }
    notes.iter().for_each(|note| println!("{note}"));
    code
}

fn request(predict: &Predict, image: Bytes) -> proto::EstimateAgeRequest {
    proto::EstimateAgeRequest {
        image,
        coverage: Some(predict.coverage),
        faces: faces::selection(&predict.look),
        refuse: faces::refuse(&predict.look),
        model: predict.model.as_deref().map(|model| resource("models", model)).unwrap_or_default(),
        ..Default::default()
    }
}

/// How many faces there are beyond those that were asked for or are answered.
fn left_out(
    photo: &Path,
    predict: &Predict,
    answer: &proto::EstimateAgeResponse,
) -> Option<String> {
    let told = answer.faces.len() + answer.refused.len();
    let more = (answer.faces_found as usize).saturating_sub(told);
    let hint =
        if predict.look.faces == Faces::Largest { "; --faces all estimates them" } else { "" };
    (more > 0).then(|| format!("{} has {more} smaller faces{hint}", photos::name(photo)))
}

fn gender(face: &proto::FaceEstimate) -> &'static str {
    word(face.gender())
}

fn word(gender: Gender) -> &'static str {
    show::gender(gender).unwrap_or("unknown")
}

fn line(
    photo: &Path,
    face: &proto::FaceEstimate,
    answer: &proto::EstimateAgeResponse,
) -> serde_json::Value {
    let interval = face.interval.as_ref();
    json!({
        "file": photo.display().to_string(),
        "box": faces::bounds(face.r#box),
        "age": face.age,
        "lower": interval.map(|interval| interval.lower),
        "upper": interval.map(|interval| interval.upper),
        "coverage": interval.map(|interval| interval.coverage),
        "group": interval.map(|interval| interval.group.as_str()),
        "group_size": interval.map(|interval| interval.group_size),
        "interval_status": face.interval_status().as_str_name(),
        "probability_female": face.probability_female,
        "gender": gender(face),
        "gender_set": face.gender_set().map(word).collect::<Vec<_>>(),
        "model": answer.model,
        "calibration": answer.calibration,
        "detection_score": face.detection_score,
        "landmarks": faces::landmarks(face.landmarks.as_ref()),
        "quality": faces::quality(face.quality.as_ref()),
    })
}

/// A face without an estimate.
fn refused_line(photo: &Path, face: &proto::RefusedFace) -> serde_json::Value {
    json!({
        "file": photo.display().to_string(),
        "box": faces::bounds(face.r#box),
        "refused": true,
        "detection_score": face.detection_score,
        "landmarks": faces::landmarks(face.landmarks.as_ref()),
        "quality": faces::quality(face.quality.as_ref()),
    })
}

fn refused_row(photo: &Path, face: &proto::RefusedFace) -> Vec<String> {
    let empty = String::new;
    let (place, issues) = (faces::place(face.r#box), faces::issues(face.quality.as_ref()));
    vec![photos::name(photo), "refused".to_owned(), empty(), empty(), empty(), place, issues]
}

fn row(photo: &Path, face: &proto::FaceEstimate) -> Vec<String> {
    let (interval, group) = match &face.interval {
        None => ("not calibrated".to_owned(), String::new()),
        Some(interval) => {
            let short = interval.status() == IntervalStatus::InsufficientCalibration;
            let note = if short { " (too few faces)" } else { "" };
            (
                format!("{:.1} to {:.1}{note}", interval.lower, interval.upper),
                format!("{} ({})", interval.group, interval.group_size),
            )
        }
    };
    let gender = format!("{} (p female {:.2})", gender(face), face.probability_female);
    vec![photos::name(photo), format!("{:.1}", face.age), interval, group, gender]
}
