//! `agespan verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::estimator::v1::{self as proto, AgeDecision};
use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use crate::arguments::Verify;
use crate::commands::{photos, resource};
use crate::show;

/// Checks every photo. FAIL and CHALLENGE are answers, not failures.
pub(crate) async fn run(client: &Client, verify: &Verify, json: bool) -> Result<ExitCode> {
    let found = photos::among(&verify.photos)?;
    Ok(check(client, verify, &found, json).await)
}

async fn check(client: &Client, verify: &Verify, photos: &[PathBuf], json: bool) -> ExitCode {
    let mut table = show::table(&["photo", "answer", "age", "passes above", "fails below"]);
    let mut last = None;
    let ask = async |image| client.estimator().verify_age(request(verify, image)).await;
    let code = photos::each(photos, ask, |photo, answer| {
        if json {
            println!("{}", line(photo, verify, &answer));
        } else {
            table.add_row(row(photo, &answer));
        }
        last = Some(answer);
    })
    .await;
    if let (false, Some(answer)) = (json, last) {
        println!("{table}");
        println!(
            "At most {} of those younger than {} pass, certified with 95 % confidence by {} of \
             them and {} older ({}).",
            show::percent(verify.false_pass_rate),
            verify.at_least,
            answer.younger,
            answer.older,
            answer.calibration
        );
    }
    code
}

fn request(verify: &Verify, image: Bytes) -> proto::VerifyAgeRequest {
    proto::VerifyAgeRequest {
        image,
        at_least: verify.at_least,
        false_pass_rate: Some(verify.false_pass_rate),
        model: verify.model.as_deref().map(|model| resource("models", model)).unwrap_or_default(),
        ..Default::default()
    }
}

fn word(answer: &proto::VerifyAgeResponse) -> &'static str {
    match answer.decision() {
        AgeDecision::Pass => "PASS",
        AgeDecision::Fail => "FAIL",
        AgeDecision::Challenge => "CHALLENGE",
        AgeDecision::Unspecified => "unknown",
    }
}

fn row(photo: &Path, answer: &proto::VerifyAgeResponse) -> Vec<String> {
    let numbers = [answer.age, answer.pass_above, answer.fail_below].map(|age| format!("{age:.1}"));
    [photos::name(photo), word(answer).to_owned()].into_iter().chain(numbers).collect()
}

fn line(photo: &Path, verify: &Verify, answer: &proto::VerifyAgeResponse) -> serde_json::Value {
    let rate = |rate: &proto::PassRate| {
        json!({
            "year": rate.year, "people": rate.people, "passed": rate.passed,
            "lower": rate.lower, "upper": rate.upper,
        })
    };
    json!({
        "file": photo.display().to_string(), "decision": word(answer),
        "at_least": verify.at_least, "false_pass_rate": verify.false_pass_rate,
        "age": answer.age, "pass_above": answer.pass_above, "fail_below": answer.fail_below,
        "younger": answer.younger, "older": answer.older,
        "pass_rates": answer.pass_rates.iter().map(rate).collect::<Vec<_>>(),
        "model": answer.model, "calibration": answer.calibration,
    })
}
