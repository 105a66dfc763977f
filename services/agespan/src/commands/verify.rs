//! `agespan verify`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::estimator::v1::{self as proto, AgeDecision};
use anyhow::{Context, Result, anyhow};
use serde_json::json;

use crate::arguments::Verify;
use crate::commands::{predict, resource};
use crate::show;

/// Checks every photo. One that cannot be checked is reported and does not stop the others, but the
/// exit code is then a failure. FAIL and CHALLENGE are answers, not failures.
pub(crate) async fn run(verify: Verify, server: Option<&str>, json: bool) -> Result<ExitCode> {
    let photos = predict::photos(&verify.photos)?;
    let asked = async |client: &Client| check(client, &verify, &photos, json).await;
    if let Some(url) = server {
        return asked(&Client::new(url)?).await;
    }
    let system = predict::own_system(&verify.data_dir).await?;
    let code = asked(&system.client).await;
    system.stop().await;
    code
}

async fn check(
    client: &Client,
    verify: &Verify,
    photos: &[PathBuf],
    json: bool,
) -> Result<ExitCode> {
    let mut table = show::table(&["photo", "answer", "age", "passes above", "fails below"]);
    let mut failed = 0;
    let mut last = None;
    for photo in photos {
        let answer = match ask(client, verify, photo).await {
            Ok(answer) => answer,
            Err(error) => {
                show::error(&error.context(photo.display().to_string()));
                failed += 1;
                continue;
            }
        };
        if json {
            println!("{}", line(photo, verify, &answer));
        } else {
            table.add_row(row(photo, &answer));
        }
        last = Some(answer);
    }
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
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(client: &Client, verify: &Verify, photo: &Path) -> Result<proto::VerifyAgeResponse> {
    let image = fs::read(photo).context("cannot be read")?;
    let request = proto::VerifyAgeRequest {
        image: image.into(),
        at_least: verify.at_least,
        false_pass_rate: Some(verify.false_pass_rate),
        model: verify.model.as_deref().map(|model| resource("models", model)).unwrap_or_default(),
        ..Default::default()
    };
    let answer = client.estimator().verify_age(request).await;
    Ok(answer.map_err(|status| anyhow!(agespan_client::explain(&status)))?.into_inner())
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
    let name = photo.file_name().unwrap_or(photo.as_os_str()).to_string_lossy().into_owned();
    let numbers = [answer.age, answer.pass_above, answer.fail_below].map(|age| format!("{age:.1}"));
    [name, word(answer).to_owned()].into_iter().chain(numbers).collect()
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
