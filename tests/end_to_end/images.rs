//! Sets of images compared, with a server and without.

use std::fs;
use std::path::Path;

use agespan_client::proto::evaluator::v1 as proto;
use agespan_client::proto::job::v1::{CancelJobRequest, Job, JobState};
use agespan_tests::{Process, Sandbox, look};
use image::{Rgb, RgbImage};
use serde_json::Value;
use tonic::{Code, Status};

use crate::tiny_pipeline;

/// So many made-up images, of `shade` more or less.
fn save(folder: &Path, count: u32, shade: u32) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let image = RgbImage::from_fn(48, 48, |x, y| {
            let wave = |step: u32| ((x * step + y * (number % 5 + 1) + number * 17) % 128) as u8;
            Rgb([wave(2), wave(3), wave(5)].map(|sample| sample + shade as u8))
        });
        image.save(folder.join(format!("{number:03}.png"))).unwrap();
    }
}

fn asked(reference: &Path, candidate: &Path) -> proto::EvaluateImagesRequest {
    proto::EvaluateImagesRequest {
        reference: reference.to_str().unwrap().to_owned(),
        candidate: candidate.to_str().unwrap().to_owned(),
        ..Default::default()
    }
}

async fn submit(server: &Process, request: proto::EvaluateImagesRequest) -> Result<Job, Status> {
    let answer = server.client.evaluator().evaluate_images(request).await?;
    Ok(answer.into_inner().job.unwrap())
}

#[tokio::test]
async fn folders_are_compared_by_a_server_and_without_one_to_the_same_numbers() {
    let sandbox = Sandbox::new().await;
    let (one, other) = (sandbox.path("one"), sandbox.path("other"));
    save(&one, 30, 0);
    save(&other, 24, 90);
    let server = sandbox.start("agespan-evaluator", &["--model-threads", "1"]).await;
    let job = submit(&server, asked(&one, &other)).await.unwrap();
    let ended = server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    let progress = ended.progress.unwrap();
    assert_eq!((progress.done, progress.total), (54, 54));
    let request = proto::GetReportRequest { name: ended.result.clone(), include_html: true };
    let answer = server.client.evaluator().get_report(request).await.unwrap().into_inner();
    let report = answer.report.unwrap();
    assert!(report.estimator.is_none());
    let images = report.images.unwrap();
    let (fid, kid, prc) = (images.fid.unwrap(), images.kid.unwrap(), images.prc.unwrap());
    assert!(fid.value > 0.5 && kid.value > 0.0, "{fid:?} {kid:?}");
    assert!(prc.precision <= 1.0 && prc.recall <= 1.0);
    assert_eq!((fid.reference_count, fid.candidate_count), (30, 24));
    assert_eq!(images.warnings.len(), 1);
    assert!(answer.html.contains("<svg") && answer.html.contains("FID∞"));

    // The same question gives the same report; the reference was seen already.
    let again = submit(&server, asked(&one, &other)).await.unwrap();
    let again = server.until(&again.name, |job| job.state() == JobState::Succeeded).await;
    assert_eq!(again.result, ended.result);
    assert_eq!(again.progress.unwrap().total, 24);

    let said = sandbox
        .alone(&["evaluate", "images", "--reference", "one", "--candidate", "other", "--json"])
        .await;
    assert_eq!(said.code, 0, "{}", said.err);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    let near = |found: &Value, value: f64| (found.as_f64().unwrap() - value).abs() < 1e-4 * value;
    assert!(near(&json["fid"]["value"], fid.value), "{json}");
    assert_eq!(json["fid"]["extractor"], fid.extractor.as_str());
    assert!(near(&json["kid"]["value"], kid.value), "{json}");
}

#[tokio::test]
async fn pairs_are_compared_without_a_server() {
    let sandbox = Sandbox::new().await;
    save(&sandbox.path("one"), 5, 0);
    save(&sandbox.path("other"), 5, 9);
    let sets = ["evaluate", "images", "--reference", "one", "--candidate", "other"];
    let said =
        sandbox.alone(&[&sets[..], &["--paired", "--json", "--out", "report"]].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    let mse = json["mse"]["value"].as_f64().unwrap();
    assert!((mse - (9.0f64 / 255.0).powi(2)).abs() < 1e-12, "{json}");
    assert!((json["psnr"]["value"].as_f64().unwrap() + 10.0 * mse.log10()).abs() < 1e-9);
    assert!(json.get("fid").is_none());
    let written = fs::read(sandbox.path("report/report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), json);
    assert!(fs::read_to_string(sandbox.path("report/report.html")).unwrap().contains("SSIM"));
    look(&sandbox.path("report/report.html")).await;

    fs::remove_file(sandbox.path("other/004.png")).unwrap();
    let said = sandbox.alone(&[&sets[..], &["--paired"]].concat()).await;
    assert_ne!(said.code, 0);
    assert!(said.err.contains("PAIR_COUNTS") && said.err.contains("has 4"), "{}", said.err);
    let said = sandbox.alone(&[&sets[..], &["--metrics", "ssim"]].concat()).await;
    assert!(said.err.contains("--paired"), "{}", said.err);
    let said =
        sandbox.alone(&["evaluate", "images", "--reference", "one", "--candidate", "no"]).await;
    assert!(said.code != 0 && said.err.contains("there is no no"), "{}", said.err);
}

#[tokio::test]
async fn reconstructions_are_compared_pair_by_pair() {
    let sandbox = Sandbox::new().await;
    save(&sandbox.path("one"), 4, 0);
    RgbImage::new(33, 48).save(sandbox.path("one/odd.png")).unwrap();
    tiny_pipeline::save(&sandbox.path(""), "tiny", 1);
    let said = sandbox
        .alone(&[
            "evaluate",
            "images",
            "--reference",
            "one",
            "--reconstructed-by",
            "tiny",
            "--json",
        ])
        .await;
    assert_eq!(said.code, 0, "{}", said.err);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["ssim"]["count"], 4);
    // The autoencoder has learned nothing.
    assert!(json["psnr"]["value"].as_f64().unwrap() < 20.0, "{json}");
    assert_eq!(json["candidate"]["excluded"][0]["reason"], "SIZE");
    assert_eq!(json["reference"]["excluded"][0]["reason"], "PARTNER");
    let said = sandbox
        .alone(&["evaluate", "images", "--reference", "one", "--reconstructed-by", "one"])
        .await;
    assert!(said.code != 0 && said.err.contains("autoencoder"), "{}", said.err);
}

#[tokio::test]
async fn a_comparison_can_be_cancelled_and_bad_questions_are_refused() {
    let sandbox = Sandbox::new().await;
    let one = sandbox.path("one");
    save(&one, 1200, 0);
    let server = sandbox.start("agespan-evaluator", &["--model-threads", "1"]).await;
    let job = submit(&server, asked(&one, &one)).await.unwrap();
    server.until(&job.name, |job| job.progress.as_ref().is_some_and(|p| p.done > 0)).await;
    let request = CancelJobRequest { name: job.name.clone() };
    server.client.jobs().cancel_job(request).await.unwrap();
    server.until(&job.name, |job| job.state() == JobState::Cancelled).await;

    let nowhere = submit(&server, asked(&one, &sandbox.path("nowhere"))).await.unwrap_err();
    assert_eq!(nowhere.code(), Code::NotFound);
    let relative = submit(&server, asked(Path::new("one"), &one)).await.unwrap_err();
    assert_eq!(relative.code(), Code::InvalidArgument);
    // A file that is no weights is found out by the job.
    let extractor = one.join("000.png").to_str().unwrap().to_owned();
    let request = proto::EvaluateImagesRequest { extractor, ..asked(&one, &one) };
    let job = submit(&server, request).await.unwrap();
    let failed = server.until(&job.name, |job| job.state() == JobState::Failed).await;
    assert_eq!(failed.error.unwrap().reason, "EXTRACTOR");
}
