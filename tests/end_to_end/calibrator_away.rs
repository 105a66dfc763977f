//! The estimator answers from memory, whatever has become of the calibrator.

use std::fs;

use agespan_client::proto::age::v1::IntervalStatus;
use agespan_client::proto::calibrator::v1::{ActivateCalibrationRequest, WatchCalibrationRequest};
use agespan_client::proto::estimator::v1::{EstimateAgeRequest, EstimateAgeResponse};
use agespan_tests::{Process, Sandbox, faces};

const ESTIMATOR: &str = "agespan.estimator.v1.EstimatorService";

async fn answer(estimator: &Process) -> EstimateAgeResponse {
    let image = fs::read(faces::portrait()).unwrap().into();
    let request = EstimateAgeRequest { image, ..Default::default() };
    estimator.client.estimator().estimate_age(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn intervals_go_on_without_the_calibrator_and_after_a_restart() {
    let sandbox = Sandbox::new().await;
    let calibrator = sandbox.start("agespan-conformal-calibrator", &[]).await;
    let address = calibrator.url.clone();
    let flags = ["--calibrator-url", &address, "--model-threads", "1"];
    let estimator = sandbox.start("agespan-age-estimator", &flags).await;
    estimator.ready(ESTIMATOR).await;
    let before = answer(&estimator).await;
    assert_eq!(before.faces[0].interval_status(), IntervalStatus::Calibrated);
    assert!(before.calibration.starts_with("calibrations/"));

    calibrator.kill().await;
    assert_eq!(answer(&estimator).await, before);

    estimator.kill().await;
    let estimator = sandbox.start("agespan-age-estimator", &flags).await;
    estimator.ready(ESTIMATOR).await;
    assert_eq!(answer(&estimator).await, before);
}

#[tokio::test]
async fn without_any_calibration_the_estimate_says_so() {
    let sandbox = Sandbox::new().await;
    // Nothing listens on the discard port.
    let flags = ["--calibrator-url", "http://127.0.0.1:9", "--model-threads", "1"];
    let estimator = sandbox.start("agespan-age-estimator", &flags).await;
    estimator.ready(ESTIMATOR).await;
    let answer = answer(&estimator).await;
    let face = &answer.faces[0];
    assert_eq!((face.interval_status(), &face.interval), (IntervalStatus::NotCalibrated, &None));
    assert_eq!(answer.calibration, "");
    assert!(face.age > 0.0);
}

#[tokio::test]
async fn an_activation_reaches_the_estimator() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let shipped = answer(&server).await;
    faces::write(&sandbox.path("faces"), 400);
    let import = ["dataset", "import", "faces", "--name", "faces"];
    assert_eq!(sandbox.agespan(&server, &import).await.code, 0);
    let said = sandbox.agespan(&server, &["calibrate", "--dataset", "faces"]).await;
    assert_eq!(said.code, 0, "{}", said.err);

    // A new watcher is told at once what is active; the estimator is told at the same time.
    let mut calibrator = server.client.calibrator();
    let watch = calibrator.watch_calibration(WatchCalibrationRequest {}).await;
    let first = watch.unwrap().into_inner().message().await.unwrap().unwrap();
    let active = first.calibration.unwrap().name;
    assert_ne!(active, shipped.calibration);
    let mut seen = answer(&server).await;
    while seen.calibration == shipped.calibration {
        tokio::task::yield_now().await;
        seen = answer(&server).await;
    }
    assert_eq!(seen.calibration, active);
    assert_eq!(seen.model, shipped.model);
    assert_ne!(seen.faces[0].interval, shipped.faces[0].interval);
}

#[tokio::test]
async fn switching_under_load_drops_no_request_and_mixes_no_answer() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    faces::write(&sandbox.path("faces"), 400);
    let import = ["dataset", "import", "faces", "--name", "faces"];
    assert_eq!(sandbox.agespan(&server, &import).await.code, 0);
    // What each calibration says of the portrait.
    let first = answer(&server).await;
    let calibrate = ["calibrate", "--dataset", "faces", "--score", "absolute"];
    assert_eq!(sandbox.agespan(&server, &calibrate).await.code, 0);
    let mut second = answer(&server).await;
    while second.calibration == first.calibration {
        second = answer(&server).await;
    }

    let switching = async {
        for round in 0..20 {
            let name = if round % 2 == 0 { &first.calibration } else { &second.calibration };
            let request = ActivateCalibrationRequest { name: name.clone() };
            server.client.calibrator().activate_calibration(request).await.unwrap();
        }
    };
    let asking = async {
        let mut seen = [0, 0];
        for _ in 0..100 {
            // `answer` panics when a request is dropped.
            let answer = answer(&server).await;
            let expected = if answer.calibration == first.calibration { &first } else { &second };
            assert_eq!(answer.calibration, expected.calibration);
            assert_eq!(answer.faces[0].interval, expected.faces[0].interval);
            assert_eq!(answer.faces[0].gender_set, expected.faces[0].gender_set);
            seen[usize::from(answer.calibration == second.calibration)] += 1;
        }
        seen
    };
    let ((), seen) = tokio::join!(switching, asking);
    assert!(seen.iter().sum::<u32>() == 100);
}
