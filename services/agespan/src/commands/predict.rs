//! `agespan predict`.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::age::v1::{Gender, IntervalStatus};
use agespan_client::proto::estimator::v1 as proto;
use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;

use crate::arguments::{Faces, Predict, Service};
use crate::commands::resource;
use crate::show;
use crate::system::System;

/// Photos that are asked about at the same time: enough to fill the estimator's batches.
const UNDER_WAY: usize = 32;

/// Estimates every photo. A photo that cannot be used is reported and does not stop the others,
/// but the exit code is then a failure.
pub(crate) async fn run(predict: Predict, server: Option<&str>, json: bool) -> Result<ExitCode> {
    let photos = photos(&predict.photos)?;
    if let Some(url) = server {
        return estimate(&Client::new(url)?, &predict, &photos, json).await;
    }
    let system = own_system(&predict.data_dir).await?;
    let code = estimate(&system.client, &predict, &photos, json).await;
    system.stop().await;
    code
}

/// A system for one command. Two services suffice, and no job store.
pub(crate) async fn own_system(data_dir: &Path) -> Result<System> {
    let services = [Service::ConformalCalibrator, Service::AgeEstimator];
    System::start(&services, data_dir, None, None).await
}

/// Photos of one face each, as a table or as JSON lines.
pub(crate) async fn estimate(
    client: &Client,
    predict: &Predict,
    photos: &[PathBuf],
    json: bool,
) -> Result<ExitCode> {
    let mut table = show::table(&["photo", "age", "interval", "group (faces)", "gender"]);
    let mut failed = 0;
    let asked =
        photos.iter().map(|photo| async move { (photo, ask(client, predict, photo).await) });
    let mut answers = pin!(stream::iter(asked).buffered(UNDER_WAY));
    while let Some((photo, answer)) = answers.next().await {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                show::error(&error.context(photo.display().to_string()));
                failed += 1;
                continue;
            }
        };
        for face in &answer.faces {
            if json {
                println!("{}", line(photo, face, &answer));
            } else {
                table.add_row(row(photo, face));
            }
        }
    }
    if !json && failed < photos.len() {
        println!("{table}");
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(
    client: &Client,
    predict: &Predict,
    photo: &Path,
) -> Result<proto::EstimateAgeResponse> {
    let image = fs::read(photo).context("cannot be read")?;
    let faces = match predict.faces {
        Faces::WholeImage => proto::FaceSelection::WholeImage,
        Faces::Largest => proto::FaceSelection::Largest,
        Faces::All => proto::FaceSelection::All,
    };
    let request = proto::EstimateAgeRequest {
        image: image.into(),
        coverage: Some(predict.coverage),
        faces: faces.into(),
        model: predict.model.as_deref().map(|model| resource("models", model)).unwrap_or_default(),
        ..Default::default()
    };
    let answer = client.estimator().estimate_age(request).await;
    Ok(answer.map_err(|status| anyhow::anyhow!(agespan_client::explain(&status)))?.into_inner())
}

/// The photos among the arguments: files as they are, the images of a folder in order of name.
pub(crate) fn photos(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut photos = Vec::new();
    for argument in arguments {
        if !argument.is_dir() {
            photos.push(argument.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = fs::read_dir(argument)
            .with_context(|| format!("cannot read {}", argument.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        inside.retain(|path| is_image(path));
        inside.sort();
        photos.extend(inside);
    }
    if photos.is_empty() {
        bail!("there is no .jpg, .jpeg, .png or .webp file in the folder; name a photo");
    }
    Ok(photos)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["jpg", "jpeg", "png", "webp"].contains(&extension.as_str())
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
    let name = photo.file_name().unwrap_or(photo.as_os_str()).to_string_lossy().into_owned();
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
    vec![name, format!("{:.1}", face.age), interval, group, gender]
}
