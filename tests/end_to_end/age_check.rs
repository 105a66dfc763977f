//! "At least 18?", with a rate that the calibration certifies.

use std::fs;

use agespan_client::proto::estimator::v1::{AgeDecision, VerifyAgeRequest, VerifyAgeResponse};
use agespan_tests::{Process, Sandbox, faces};
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

async fn verify(
    server: &Process,
    at_least: u32,
    rate: Option<f64>,
) -> Result<VerifyAgeResponse, Status> {
    let image = fs::read(faces::portrait()).unwrap().into();
    let request = VerifyAgeRequest { image, at_least, false_pass_rate: rate, ..Default::default() };
    Ok(server.client.estimator().verify_age(request).await?.into_inner())
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().unwrap().reason)
}

#[tokio::test]
async fn an_age_is_checked_at_a_certified_rate() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let young = verify(&server, 8, Some(0.05)).await.unwrap();
    assert_eq!(young.decision(), AgeDecision::Pass);
    assert!(young.age > young.pass_above);
    let old = verify(&server, 65, Some(0.05)).await.unwrap();
    assert_ne!(old.decision(), AgeDecision::Pass);
    // A stricter rate is never easier to pass.
    let (strict, lax) =
        (verify(&server, 18, None).await.unwrap(), verify(&server, 18, Some(0.2)).await.unwrap());
    assert!(strict.pass_above >= lax.pass_above && strict.fail_below <= lax.fail_below);
    assert_eq!(strict.younger + strict.older, 2316, "everybody in the shipped calibration");
    assert_eq!(strict.pass_rates.len(), 21);
    let of_eighteen = strict.pass_rates.iter().find(|rate| rate.year == 18).unwrap();
    assert!(of_eighteen.lower <= of_eighteen.upper && of_eighteen.passed <= of_eighteen.people);
    assert!(strict.calibration.starts_with("calibrations/"));
}

#[tokio::test]
async fn what_cannot_be_certified_is_refused() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let status = verify(&server, 18, Some(0.0001)).await.unwrap_err();
    assert_eq!(reason(&status), (Code::FailedPrecondition, "TOO_FEW_PEOPLE".into()));
    assert!(status.message().contains("29956"), "{}", status.message());
    for age in [0, 101] {
        let status = verify(&server, age, None).await.unwrap_err();
        assert_eq!(reason(&status), (Code::InvalidArgument, "AGE".into()));
    }
    for rate in [0.0, 1.0, -1.0, f64::NAN] {
        let status = verify(&server, 18, Some(rate)).await.unwrap_err();
        assert_eq!(reason(&status), (Code::InvalidArgument, "RATE".into()));
    }
    let photo = faces::portrait();
    let strict =
        ["verify", photo.to_str().unwrap(), "--at-least", "18", "--false-pass-rate", "0.0001"];
    let said = sandbox.agespan(&server, &strict).await;
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
    assert!(said.err.contains("TOO_FEW_PEOPLE"), "{}", said.err);
    let lax =
        [&["--json"], &strict[..2], &["--at-least", "8", "--false-pass-rate", "0.05"]].concat();
    let said = sandbox.agespan(&server, &lax).await;
    let line: Value = serde_json::from_str(&said.out).unwrap();
    assert!(["PASS", "CHALLENGE"].contains(&line["decision"].as_str().unwrap()), "{line}");
}
