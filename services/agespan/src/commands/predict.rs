//! `agespan predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::age::v1::{Gender, IntervalStatus};
use agespan_client::proto::estimator::v1 as proto;
use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use crate::arguments::{Faces, Predict};
use crate::commands::{photos, resource};
use crate::show;

/// Estimates every photo.
pub(crate) async fn run(client: &Client, predict: &Predict, json: bool) -> Result<ExitCode> {
    let found = photos::among(&predict.photos)?;
    Ok(estimate(client, predict, &found, json).await)
}

/// Photos of one face each, as a table or as JSON lines.
pub(crate) async fn estimate(
    client: &Client,
    predict: &Predict,
    photos: &[PathBuf],
    json: bool,
) -> ExitCode {
    let mut table = show::table(&["photo", "age", "interval", "group (faces)", "gender"]);
    let ask = async |image| client.estimator().estimate_age(request(predict, image)).await;
    let code = photos::each(photos, ask, |photo, answer| {
        for face in &answer.faces {
            if json {
                println!("{}", line(photo, face, &answer));
            } else {
                table.add_row(row(photo, face));
            }
        }
    })
    .await;
    if table.row_count() > 0 {
        println!("{table}");
    }
    code
}

fn request(predict: &Predict, image: Bytes) -> proto::EstimateAgeRequest {
    let faces = match predict.faces {
        Faces::WholeImage => proto::FaceSelection::WholeImage,
        Faces::Largest => proto::FaceSelection::Largest,
        Faces::All => proto::FaceSelection::All,
    };
    proto::EstimateAgeRequest {
        image,
        coverage: Some(predict.coverage),
        faces: faces.into(),
        model: predict.model.as_deref().map(|model| resource("models", model)).unwrap_or_default(),
        ..Default::default()
    }
}

fn gender(face: &proto::FaceEstimate) -> &'static str {
    word(face.gender())
}

fn word(gender: Gender) -> &'static str {
    match gender {
        Gender::Female => "female",
        Gender::Male => "male",
        Gender::Unspecified => "unknown",
    }
}

fn line(
    photo: &Path,
    face: &proto::FaceEstimate,
    answer: &proto::EstimateAgeResponse,
) -> serde_json::Value {
    let place = face.r#box.unwrap_or_default();
    let interval = face.interval.as_ref();
    json!({
        "file": photo.display().to_string(),
        "box": [place.left, place.top, place.width, place.height],
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
    })
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
