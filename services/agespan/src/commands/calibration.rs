//! `agespan calibration`.

use agespan_client::proto::calibrator::v1 as proto;
use anyhow::Result;
use serde_json::json;

use crate::arguments::Calibration;
use crate::commands::{Session, calibrate, resource};
use crate::show;

/// Runs one of the commands about calibrations.
pub(crate) async fn run(session: &Session, command: Calibration) -> Result<()> {
    let mut client = session.client.calibrator();
    let named = |name: &str| resource("calibrations", name);
    let calibration = match command {
        Calibration::List => return list(session).await,
        Calibration::Diff { base, candidate, coverage } => {
            let (base, candidate) = (named(&base), named(&candidate));
            let coverage = Some(coverage);
            let request = proto::DiffCalibrationsRequest { base, candidate, coverage };
            let answer = client.diff_calibrations(request).await?.into_inner();
            return show_diff(session, &answer);
        }
        Calibration::Show { name } => {
            let request = proto::GetCalibrationRequest { name: named(&name), ..Default::default() };
            client.get_calibration(request).await?.into_inner().calibration
        }
        Calibration::Activate { name } => {
            let request = proto::ActivateCalibrationRequest { name: named(&name) };
            client.activate_calibration(request).await?.into_inner().calibration
        }
        Calibration::Rollback { model } => {
            let request = proto::RollbackCalibrationRequest { model: resource("models", &model) };
            client.rollback_calibration(request).await?.into_inner().calibration
        }
    };
    calibrate::print(session, &calibration.unwrap_or_default());
    Ok(())
}

async fn list(session: &Session) -> Result<()> {
    let mut table = show::table(&["calibration", "for", "score", "grouping", "faces", "active"]);
    let mut request = proto::ListCalibrationsRequest::default();
    loop {
        let answer = session.client.calibrator().list_calibrations(request.clone()).await?;
        let answer = answer.into_inner();
        for calibration in &answer.calibrations {
            if session.json {
                calibrate::print(session, calibration);
            }
            table.add_row(vec![
                calibration.name.clone(),
                calibration.model.clone(),
                calibrate::score(calibration),
                calibrate::grouping(calibration),
                calibration.size.to_string(),
                if calibration.active { "yes" } else { "" }.to_owned(),
            ]);
        }
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if !session.json {
        println!("{table}");
    }
    Ok(())
}

fn show_diff(session: &Session, diff: &proto::DiffCalibrationsResponse) -> Result<()> {
    let (base, candidate) = (diff.base.clone(), diff.candidate.clone());
    let (base, candidate) = (base.unwrap_or_default(), candidate.unwrap_or_default());
    if session.json {
        let side = |side: Option<proto::CalibrationGroupSide>| {
            side.map(|side| json!({"n": side.size, "threshold": side.threshold}))
        };
        let group = |group: &proto::GroupDiff| json!({"group": group.group, "base": side(group.base), "candidate": side(group.candidate)});
        println!(
            "{}",
            json!({
                "base": base.name, "candidate": candidate.name,
                "groups": diff.groups.iter().map(group).collect::<Vec<_>>(),
            })
        );
        return Ok(());
    }
    let mut table = show::table(&["group", "faces", "faces then", "threshold", "threshold then"]);
    for group in &diff.groups {
        let size = |side: Option<proto::CalibrationGroupSide>| {
            side.map_or("no such group".to_owned(), |side| side.size.to_string())
        };
        let threshold = |side: Option<proto::CalibrationGroupSide>| match side {
            None => String::new(),
            Some(side) => side
                .threshold
                .map_or("too few faces".to_owned(), |threshold| format!("{threshold:.3}")),
        };
        table.add_row(vec![
            group.group.clone(),
            size(group.base),
            size(group.candidate),
            threshold(group.base),
            threshold(group.candidate),
        ]);
    }
    println!("{table}");
    let line = |calibration: &proto::Calibration| {
        let (score, grouping) = (calibrate::score(calibration), calibrate::grouping(calibration));
        format!("{}: {score} by {grouping} for {}", calibration.name, calibration.model)
    };
    println!("from {}\nto   {}", line(&base), line(&candidate));
    if base.score != candidate.score {
        println!("the scores differ, so the thresholds are in different units");
    }
    if base.model != candidate.model {
        println!("they are for different models, and neither can replace the other");
    }
    Ok(())
}
