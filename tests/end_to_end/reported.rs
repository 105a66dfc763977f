//! True ages that become known later: live coverage, the adaptive level, the drift alarm.

use std::fs;

use agespan_client::proto::calibrator::v1 as proto;
use agespan_client::proto::estimator::v1::EstimateAgeRequest;
use agespan_tests::{Process, Sandbox, faces};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const DRIFT: &str = "agespan.calibrator.v1.Drift";

async fn shipped(server: &Process) -> String {
    let request = proto::ListCalibrationsRequest::default();
    let list = server.client.calibrator().list_calibrations(request).await.unwrap().into_inner();
    list.calibrations[0].name.clone()
}

/// A prediction of 40 ± 1 with a truth so far away.
fn outcome(index: usize, error: f64) -> proto::Outcome {
    let mut distribution = vec![0.0; 117];
    (distribution[39], distribution[40], distribution[41]) = (0.25, 0.5, 0.25);
    let prediction = proto::UnlabelledPrediction { distribution, ..Default::default() };
    proto::Outcome {
        prediction_id: format!("p{index}"),
        prediction: Some(prediction),
        truth: 40.0 + error,
    }
}

async fn report(
    server: &Process,
    calibration: &str,
    outcomes: Vec<proto::Outcome>,
) -> Result<proto::ReportOutcomesResponse, Status> {
    let request = proto::ReportOutcomesRequest {
        calibration: calibration.to_owned(),
        stream: "shop".into(),
        outcomes,
    };
    Ok(server.client.calibrator().report_outcomes(request).await?.into_inner())
}

async fn coverage(
    server: &Process,
    calibration: &str,
) -> Result<proto::GetCoverageResponse, Status> {
    let request =
        proto::GetCoverageRequest { calibration: calibration.to_owned(), stream: "shop".into() };
    Ok(server.client.calibrator().get_coverage(request).await?.into_inner())
}

#[tokio::test]
async fn outcomes_are_counted_once_and_outlive_the_process() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let calibration = shipped(&server).await;
    let none = coverage(&server, &calibration).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
    let outcomes: Vec<_> =
        (0..20).map(|index| outcome(index, f64::from(u32::from(index == 7)) * 30.0)).collect();
    let first = report(&server, &calibration, outcomes[..12].to_vec()).await.unwrap();
    assert_eq!((first.accepted, first.repeated), (12, 0));
    let second = report(&server, &calibration, outcomes.clone()).await.unwrap();
    assert_eq!((second.accepted, second.repeated), (8, 12));
    let before = coverage(&server, &calibration).await.unwrap();
    let overall = before.overall.clone().unwrap();
    assert_eq!((overall.count, overall.covered), (20, 19));
    assert!(overall.lower < 0.95 && 0.95 < overall.upper);
    assert_eq!(before.groups.len(), 1);
    assert_eq!(before.groups[0].group, "40-49");
    assert_eq!(server.health(DRIFT).await.unwrap(), "SERVING");

    server.kill().await;
    let server = sandbox.up().await;
    assert_eq!(coverage(&server, &calibration).await.unwrap(), before);
    let again = report(&server, &calibration, outcomes).await.unwrap();
    assert_eq!((again.accepted, again.repeated), (0, 20));
}

#[tokio::test]
async fn a_drift_raises_an_alarm_and_widens_the_streams_intervals() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let calibration = shipped(&server).await;
    let ask = async |stream: &str| {
        let image = fs::read(faces::portrait()).unwrap().into();
        let request = EstimateAgeRequest { image, stream: stream.to_owned(), ..Default::default() };
        let answer = server.client.estimator().estimate_age(request).await.unwrap().into_inner();
        answer.faces[0].interval.clone().unwrap()
    };
    let before = ask("").await;
    assert_eq!(ask("shop").await, before, "nothing was reported yet");
    let missed = (0..10).map(|index| outcome(index, 40.0)).collect();
    report(&server, &calibration, missed).await.unwrap();
    let mut widened = ask("shop").await;
    while widened.coverage == before.coverage {
        tokio::task::yield_now().await;
        widened = ask("shop").await;
    }
    // Ten misses at 0.005 × 0.9 each.
    assert!((widened.coverage - 0.945).abs() < 1e-6, "{widened:?}");
    assert!(widened.upper - widened.lower > before.upper - before.lower);
    assert_eq!(ask("").await, before);

    for batch in 1..10 {
        let missed = (0..50).map(|index| outcome(batch * 100 + index, 40.0)).collect();
        report(&server, &calibration, missed).await.unwrap();
    }
    let found = coverage(&server, &calibration).await.unwrap();
    let drift = found.drift.unwrap();
    assert!(drift.alarm && drift.greatest >= 100.0, "{drift:?}");
    assert!(found.overall.unwrap().upper < 0.5);
    while server.health(DRIFT).await.unwrap() != "NOT_SERVING" {
        tokio::task::yield_now().await;
    }
    server.ready("agespan.calibrator.v1.CalibratorService").await;
}

#[tokio::test]
async fn a_bad_report_is_refused_whole() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let calibration = shipped(&server).await;
    let bad = |change: fn(&mut proto::Outcome)| {
        let mut outcomes: Vec<_> = (0..3).map(|index| outcome(index, 0.0)).collect();
        change(&mut outcomes[2]);
        outcomes
    };
    let cases = [
        (bad(|outcome| outcome.truth = -1.0), "outcomes[2].truth"),
        (bad(|outcome| outcome.truth = f64::NAN), "outcomes[2].truth"),
        (bad(|outcome| outcome.prediction_id.clear()), "outcomes[2].prediction_id"),
        (bad(|outcome| outcome.prediction_id = "p1".into()), "outcomes[2].prediction_id"),
        (bad(|outcome| outcome.prediction = None), "outcomes[2].prediction.distribution"),
        (Vec::new(), "outcomes"),
    ];
    for (outcomes, field) in cases {
        let status = report(&server, &calibration, outcomes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let blamed = status.get_details_bad_request().unwrap().field_violations.remove(0).field;
        assert_eq!(blamed, field, "{status}");
    }
    let unknown = report(&server, "calibrations/none", vec![outcome(0, 0.0)]).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(coverage(&server, &calibration).await.unwrap_err().code(), Code::NotFound);
}
