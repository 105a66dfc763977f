//! What cannot work gets a precise status, one clear line on the command line, and does no harm.

use std::fs;

use agespan_client::proto::calibrator::v1 as calibrator;
use agespan_client::proto::dataset::v1::ImportDatasetRequest;
use agespan_client::proto::estimator::v1::{
    self as estimator, TrainModelRequest, image_result::Outcome,
};
use agespan_client::proto::evaluator::v1::EvaluateEstimatorRequest;
use agespan_client::proto::job::v1::GetJobRequest;
use agespan_tests::{Process, Sandbox, faces};
use futures_util::stream;
use image::{ImageFormat, RgbImage};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use zip::write::SimpleFileOptions;

fn portrait() -> Vec<u8> {
    fs::read(faces::portrait()).unwrap()
}

fn dot() -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    RgbImage::new(1, 1).write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// Files that are no photo of a face, and why.
fn unusable() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let portrait = portrait();
    let half = portrait[..portrait.len() / 2].to_vec();
    vec![
        (b"dear sir or madam".to_vec(), "IMAGE_UNKNOWN_FORMAT", "no JPEG, PNG or WebP"),
        (half, "IMAGE_TRUNCATED", "cut off"),
        (dot(), "IMAGE_TOO_SMALL", "1x1"),
        (faces::bomb(50_000), "IMAGE_DIMENSIONS", "50000x50000"),
        (Vec::new(), "IMAGE_EMPTY", "empty"),
        (vec![0xFF; (10 << 20) + 1], "IMAGE_TOO_LARGE", "10485761 bytes"),
    ]
}

/// The field that a status blames, and its reason.
fn blamed(status: &Status) -> (String, String) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let field = status.get_details_bad_request().unwrap().field_violations.remove(0).field;
    (field, status.get_details_error_info().unwrap().reason)
}

async fn estimate(
    server: &Process,
    image: Vec<u8>,
    coverage: Option<f64>,
) -> Result<estimator::EstimateAgeResponse, Status> {
    let request =
        estimator::EstimateAgeRequest { image: image.into(), coverage, ..Default::default() };
    Ok(server.client.estimator().estimate_age(request).await?.into_inner())
}

#[tokio::test]
async fn photos_that_cannot_be_used() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    for (image, reason, words) in unusable() {
        let status = estimate(&server, image.clone(), None).await.unwrap_err();
        assert_eq!(blamed(&status), ("image".into(), reason.into()));
        assert!(status.message().contains(words), "{}", status.message());

        let file = sandbox.path("photo.jpg");
        fs::write(&file, image).unwrap();
        let said = sandbox.agespan(&server, &["predict", file.to_str().unwrap()]).await;
        assert_eq!(said.code, 1);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        assert!(said.err.contains(words) && said.err.contains("photo.jpg"), "{}", said.err);
    }

    // Among others, a bad photo spoils only its own answer.
    let images = unusable().into_iter().map(|(image, ..)| image.into());
    let images = images.chain([portrait().into()]).collect();
    let request = estimator::BatchEstimateAgeRequest { images, ..Default::default() };
    let answer = server.client.estimator().batch_estimate_age(request).await.unwrap().into_inner();
    for (result, (_, reason, _)) in answer.results.iter().zip(unusable()) {
        let Some(Outcome::Error(error)) = &result.outcome else { panic!("{result:?}") };
        assert_eq!((error.code, error.reason.as_str()), (Code::InvalidArgument.into(), reason));
    }
    assert!(matches!(answer.results.last().unwrap().outcome, Some(Outcome::Estimates(_))));
    assert!(estimate(&server, portrait(), None).await.is_ok(), "the server has taken harm");
}

#[tokio::test]
async fn requests_that_cannot_be_meant() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    for coverage in [0.0, 1.0, 1.5, -0.1, f64::NAN, f64::INFINITY, 1e-300] {
        let status = estimate(&server, portrait(), Some(coverage)).await.unwrap_err();
        assert_eq!(blamed(&status), ("coverage".into(), "COVERAGE".into()), "{coverage}");
    }
    let photo = faces::portrait();
    let photo = photo.to_str().unwrap();
    for coverage in ["0", "1.5"] {
        let said = sandbox.agespan(&server, &["predict", photo, "--coverage", coverage]).await;
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
        assert!(said.err.contains("strictly between 0 and 1"), "{}", said.err);
    }

    let mut client = server.client.estimator();
    let ask = |model: &str, faces: i32| estimator::EstimateAgeRequest {
        image: portrait().into(),
        model: model.to_owned(),
        faces,
        ..Default::default()
    };
    let status = client.estimate_age(ask("models/none", 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = client.estimate_age(ask("none", 0)).await.unwrap_err();
    assert_eq!(blamed(&status), ("model".into(), "RESOURCE_NAME".into()));
    let status = client.estimate_age(ask("", 77)).await.unwrap_err();
    assert_eq!(blamed(&status), ("faces".into(), "UNKNOWN_ENUM".into()));
    let none = estimator::BatchEstimateAgeRequest::default();
    let status = client.batch_estimate_age(none).await.unwrap_err();
    assert_eq!(blamed(&status), ("images".into(), "COUNT".into()));
    assert!(estimate(&server, portrait(), None).await.is_ok(), "the server has taken harm");
}

#[tokio::test]
async fn data_sets_that_are_not_there() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let status = fit(&server, "datasets/none").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
    let status = fit(&server, "none").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    for command in [
        ["dataset", "show", "none"].as_slice(),
        &["calibrate", "--dataset", "none"],
        &["train", "--dataset", "none"],
        &["evaluate", "estimator", "--dataset", "none"],
    ] {
        let said = sandbox.agespan(&server, command).await;
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{command:?}: {}", said.err);
        // Once, though a job's failure has the reason in its own field as well.
        let reasons = said.err.matches("NOT_FOUND").count();
        assert!(said.err.contains("none") && reasons == 1, "{}", said.err);
    }
    let said = sandbox.agespan(&server, &["train", "--dataset", "none", "--from", "gone"]).await;
    assert!(said.err.contains("NOT_FOUND") && said.err.contains("model gone"), "{}", said.err);
    for (request, field) in [
        (TrainModelRequest { input_size: 300, ..Default::default() }, "input_size"),
        (TrainModelRequest { backbone: 9, ..Default::default() }, "backbone"),
        (TrainModelRequest { age_bins: 1, ..Default::default() }, "age_bins"),
        (TrainModelRequest { mixup: f64::NAN, ..Default::default() }, "mixup"),
        (TrainModelRequest { teachers: vec!["m".into()], ..Default::default() }, "teachers"),
    ] {
        let request = TrainModelRequest { dataset: "datasets/none".into(), ..request };
        let status = server.client.estimator().train_model(request).await.unwrap_err();
        assert_eq!(blamed(&status).0, field, "{status}");
    }
    let request = EvaluateEstimatorRequest { dataset: "none".into(), ..Default::default() };
    let status = server.client.evaluator().evaluate_estimator(request).await.unwrap_err();
    assert_eq!(blamed(&status), ("dataset".into(), "RESOURCE_NAME".into()));
}

async fn fit(server: &Process, dataset: &str) -> Result<(), Status> {
    let spec = calibrator::CalibrationSpec { dataset: dataset.into(), ..Default::default() };
    let part = Some(calibrator::fit_calibration_request::Part::Spec(spec));
    let parts = stream::iter([calibrator::FitCalibrationRequest { part }]);
    server.client.calibrator().fit_calibration(parts).await.map(drop)
}

#[tokio::test]
async fn archives_that_reach_outside() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let archive = sandbox.path("evil.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
    for name in ["20_0_0_20170101000000000.jpg", "../../30_0_0_20170101000000001.jpg"] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, &portrait()).unwrap();
    }
    zip.finish().unwrap();

    let request = ImportDatasetRequest {
        dataset_id: "evil".into(),
        source: archive.to_str().unwrap().into(),
        ..Default::default()
    };
    let job = server.client.datasets().import_dataset(request).await.unwrap().into_inner().job;
    let name = job.unwrap().name;
    server.client.follow(&name, |_| {}).await.unwrap_err();
    let job = server.client.jobs().get_job(GetJobRequest { name }).await.unwrap().into_inner().job;
    let error = job.unwrap().error.unwrap();
    assert_eq!(error.reason, "UNSAFE_ENTRY");
    assert!(error.message.contains("../../30_0_0_20170101000000001.jpg"), "{}", error.message);

    let said = sandbox.agespan(&server, &["dataset", "import", archive.to_str().unwrap()]).await;
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
    assert!(said.err.contains("UNSAFE_ENTRY"), "{}", said.err);
    assert_eq!(sandbox.agespan(&server, &["--json", "dataset", "list"]).await.out, "");
}
