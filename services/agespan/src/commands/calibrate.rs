//! `agespan calibrate`.

use agespan_client::proto::calibrator::v1 as proto;
use agespan_client::proto::calibrator::v1::fit_calibration_request::Part;
use agespan_service::transport::{grouping_to_proto, score_to_proto};
use anyhow::Result;
use serde_json::json;

use crate::arguments::Calibrate;
use crate::commands::{Session, predictions, resource};
use crate::show;

/// Fits a calibration, puts it to use, and shows it.
pub(crate) async fn run(session: &Session, calibrate: &Calibrate) -> Result<()> {
    if let Some(file) = &calibrate.predictions {
        return predictions::run(file, calibrate, session.json);
    }
    let calibration = fit(session, calibrate).await?;
    print(session, &calibration);
    Ok(())
}

/// Fits a calibration and activates it unless told otherwise.
pub(crate) async fn fit(session: &Session, calibrate: &Calibrate) -> Result<proto::Calibration> {
    let score = score_to_proto(calibrate.score.unwrap_or_default().into());
    let grouping = grouping_to_proto(calibrate.grouping.unwrap_or_default().into());
    let model = match calibrate.model.as_str() {
        "" => String::new(),
        name => resource("models", name),
    };
    let spec = proto::CalibrationSpec {
        score: score.into(),
        grouping: grouping.into(),
        dataset: resource("datasets", calibrate.dataset.as_deref().unwrap_or_default()),
        model,
        ..Default::default()
    };
    let request = proto::FitCalibrationRequest { part: Some(Part::Spec(spec)) };
    let mut client = session.client.calibrator();
    let parts = [request];
    let answer = client.fit_calibration(futures_util::stream::iter(parts)).await?.into_inner();
    // For a person; --json has one object a line.
    if !session.json && answer.range_labelled_count + answer.skipped_count > 0 {
        println!(
            "{} faces have a range for an age and count by its worst year; {} were left out, whose \
             range reaches over several groups",
            answer.range_labelled_count, answer.skipped_count
        );
    }
    let calibration = answer.calibration.unwrap_or_default();
    if calibrate.no_activate {
        return Ok(calibration);
    }
    let request = proto::ActivateCalibrationRequest { name: calibration.name };
    let answer = client.activate_calibration(request).await?.into_inner();
    Ok(answer.calibration.unwrap_or_default())
}

/// Shows a calibration.
pub(crate) fn print(session: &Session, calibration: &proto::Calibration) {
    if session.json {
        let group = |group: &proto::CalibrationGroup| json!({"group": group.name, "n": group.size, "threshold": group.threshold_at_90});
        println!(
            "{}",
            json!({
                "name": calibration.name, "model": calibration.model,
                "score": score(calibration), "grouping": grouping(calibration),
                "active": calibration.active,
                "groups": calibration.groups.iter().map(group).collect::<Vec<_>>(),
            })
        );
        return;
    }
    show_table(calibration);
}

/// Its score, as it is typed.
pub(crate) fn score(calibration: &proto::Calibration) -> String {
    typed(calibration.score().as_str_name(), "SCORE_")
}

/// Its grouping, as it is typed.
pub(crate) fn grouping(calibration: &proto::Calibration) -> String {
    typed(calibration.grouping().as_str_name(), "GROUPING_")
}

fn typed(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', "-")
}

/// The groups of a calibration.
pub(crate) fn show_table(calibration: &proto::Calibration) {
    let mut table = show::table(&["predicted age", "calibration faces", "threshold at 90 %"]);
    for group in &calibration.groups {
        let threshold =
            group.threshold_at_90.map_or("too few faces".to_owned(), |score| format!("{score:.3}"));
        table.add_row(vec![group.name.clone(), group.size.to_string(), threshold]);
    }
    println!("{table}");
    println!(
        "{} for {}: {} faces{}",
        calibration.name,
        calibration.model,
        calibration.size,
        if calibration.active { ", active" } else { "" }
    );
}
