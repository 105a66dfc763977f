//! `agespan demo`: the whole story end to end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::evaluator::v1::EvaluateEstimatorRequest;
use anyhow::{Result, bail};
use tonic::{Code, Status};

use crate::arguments::{Calibrate, Demo, Generated, Predict, Train};
use crate::commands::faces::{Faces, Look};
use crate::commands::{
    Session, calibrate, dataset, evaluate, generated, model, photos, predict, train,
};

/// Faces and epochs of the training that is only a taste.
const TASTE: (u32, u32) = (2000, 2);
/// All faces, and as many epochs as the recipe has.
const FULL: (u32, u32) = (0, 0);

/// What the demo calls its data set.
const NAME: &str = "demo";

/// Apart, so that a model trained for a taste does not answer in place of the shipped one.
pub(crate) fn data_dir(demo: &Demo) -> PathBuf {
    demo.data_dir.join(if demo.data.is_some() { "pipeline" } else { "photos" })
}

/// Whether it can go on to the end.
pub(crate) fn check(demo: &Demo) -> Result<()> {
    if demo.data.is_some() && demo.first_weights.is_none() {
        bail!("training begins with weights of others; run `make setup`, then `make demo DATA=…`");
    }
    Ok(())
}

/// Shows what a system does.
pub(crate) async fn run(client: &Client, demo: &Demo) -> Result<ExitCode> {
    let session = Session { client: client.clone(), json: false };
    match &demo.data {
        Some(data) => pipeline(&session, demo, data).await,
        None => faces(&session, demo).await,
    }
}

async fn faces(session: &Session, demo: &Demo) -> Result<ExitCode> {
    // Ours are cut already.
    let faces = if demo.photo.is_empty() { Faces::WholeImage } else { Faces::All };
    let photos = if demo.photo.is_empty() {
        println!(
            "\nTwo portraits by the United States government (public domain), see deploy/demo/faces:"
        );
        vec![demo.faces.clone()]
    } else {
        demo.photo.clone()
    };
    let predict = Predict {
        photos,
        coverage: 0.9,
        look: Look { faces, refuse: Vec::new() },
        model: None,
        data_dir: PathBuf::new(),
    };
    let found = photos::among(&predict.photos)?;
    let code = predict::estimate(&session.client, &predict, &found, false).await;
    println!(
        "\nAnd faces that nobody has, drawn by the small pipeline that comes with the project:"
    );
    cross_check(session, demo, vec![5, 25, 45, 65, 85], None).await?;
    println!(
        "\nEach interval holds the true age of nine faces out of ten like those it was calibrated on.
\nGo on with:
  export PATH=$(make -s path):$PATH
  agespan predict --faces all PHOTO           every face of your own photo
  agespan up                                  a system that stays; then, in another terminal:
  agespan --server http://127.0.0.1:50051 predict --faces all PHOTO
  grpcurl -plaintext 127.0.0.1:50051 list     what it can do, by reflection
  make demo DATA=path/to/utkface.zip          import, train, calibrate and evaluate on UTKFace"
    );
    Ok(code)
}

/// Draws a grid of faces, estimates them, and says what follows.
async fn cross_check(
    session: &Session,
    demo: &Demo,
    ages: Vec<u32>,
    dataset: Option<String>,
) -> Result<()> {
    let asked = Generated {
        generated: None,
        pipeline: None,
        ages,
        count: 0,
        seed: 0,
        steps: 25,
        guidance: 5.0,
        model: None,
        coverage: 0.9,
        dataset,
        second_model: None,
        out: None,
        data_dir: PathBuf::new(),
    };
    let answer = generated::cross_check(session, &asked).await?;
    let report = answer.report.unwrap_or_default().cross_check.unwrap_or_default();
    generated::show_report(&report);
    let folder = demo.data_dir.join("drawn");
    generated::write(&folder, &report, &generated::to_json(&report), &answer.html)?;
    println!("With the pictures: {}", folder.join("report.html").display());
    Ok(())
}

/// The data set, from an earlier run of the demo where there was one.
async fn imported(session: &Session, data: &Path) -> Result<String> {
    match dataset::import(session, data, NAME, 0).await {
        Ok(name) => {
            println!("   {name}");
            Ok(name)
        }
        Err(error) if is_there_already(&error) => {
            println!("   datasets/{NAME} is there from an earlier run");
            Ok(format!("datasets/{NAME}"))
        }
        Err(error) => Err(error),
    }
}

fn is_there_already(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Status>().is_some_and(|status| status.code() == Code::AlreadyExists)
}

async fn pipeline(session: &Session, demo: &Demo, data: &Path) -> Result<ExitCode> {
    println!("\n1. Import: decode, clean, split.");
    let name = imported(session, data).await?;

    let (max_samples, epochs) = if demo.full { FULL } else { TASTE };
    println!("\n2. Train on {}.", if demo.full { "the train split" } else { "a few faces" });
    let train = Train {
        dataset: name.clone(),
        epochs,
        seed: 0,
        max_samples,
        age_bins: 0,
        backbone: None,
        from: None,
        input_size: None,
        teachers: Vec::new(),
        teacher_weight: None,
        mixup: 0.0,
        learning_rate: 0.0,
        bfloat16: false,
        mirrored: false,
        activate: true,
        out: None,
    };
    let trained = train::train_model(session, &train).await?;
    model::activate(session, &trained).await?;

    println!("\n3. Calibrate on the calibration split.");
    let calibrate = Calibrate {
        dataset: Some(name.clone()),
        predictions: None,
        apply: None,
        out: None,
        coverage: 0.9,
        model: trained.clone(),
        score: None,
        grouping: None,
        no_activate: false,
    };
    calibrate::show_table(&calibrate::fit(session, &calibrate).await?);

    println!("\n4. Evaluate on the test split.");
    let dataset = name.clone();
    let request = EvaluateEstimatorRequest { dataset: name, model: trained, ..Default::default() };
    let answer = evaluate::estimator(session, request).await?;
    let report = answer.report.unwrap_or_default().estimator.unwrap_or_default();
    evaluate::show_report(&report);
    evaluate::write(&demo.data_dir, &evaluate::to_json(&report), &answer.html)?;
    println!("With plots: {}", demo.data_dir.join("report.html").display());
    println!("\n5. Draw faces of all ages, genders and races, and see what is estimated of them.");
    cross_check(session, demo, Vec::new(), Some(dataset)).await?;
    if !demo.full {
        println!("\nThis was a taste of training. `make demo DATA=… FULL=1` trains for real.");
    }
    Ok(ExitCode::SUCCESS)
}
