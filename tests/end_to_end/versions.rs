//! Calibrations as versions: listed, compared, activated, taken back; and one of a million rows.

use std::fs;

use agespan_client::proto::calibrator::v1 as proto;
use agespan_client::proto::calibrator::v1::fit_calibration_request::Part;
use agespan_tests::{Process, Sandbox};
use futures_util::stream;
use serde_json::{Value, json};

const MODEL: &str = "models/mine";

/// Errors of 1 to `count` years, all in one group.
fn rows(count: u32, group: &str) -> proto::PredictionBatch {
    let row = |error: u32| proto::LabelledPrediction {
        prediction: 10.0,
        truth: 10.0 + f64::from(error % 100),
        group: group.to_owned(),
        ..Default::default()
    };
    proto::PredictionBatch { predictions: (1..=count).map(row).collect() }
}

async fn fit(server: &Process, batches: Vec<proto::PredictionBatch>) -> proto::Calibration {
    let spec = proto::CalibrationSpec {
        score: proto::Score::Absolute.into(),
        grouping: proto::Grouping::Label.into(),
        model: MODEL.into(),
        ..Default::default()
    };
    let parts = std::iter::once(Part::Spec(spec)).chain(batches.into_iter().map(Part::Predictions));
    let requests = parts.map(|part| proto::FitCalibrationRequest { part: Some(part) });
    let mut client = server.client.calibrator();
    let answer = client.fit_calibration(stream::iter(requests)).await.unwrap();
    answer.into_inner().calibration.unwrap()
}

async fn line(sandbox: &Sandbox, server: &Process, arguments: &[&str]) -> Value {
    let said = sandbox.agespan(server, &[&["--json", "calibration"], arguments].concat()).await;
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    serde_json::from_str(said.out.lines().next().unwrap()).unwrap()
}

#[tokio::test]
async fn versions_are_compared_put_to_use_and_taken_back() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan-conformal-calibrator", &[]).await;
    let first = fit(&server, vec![rows(19, "a"), rows(8, "b")]).await.name;
    let second = fit(&server, vec![rows(39, "a"), rows(9, "c")]).await.name;
    let (first, second) = (first.as_str(), second.as_str());

    let difference = line(&sandbox, &server, &["diff", first, second]).await;
    let expected = json!([
        {"group": "a", "base": {"n": 19, "threshold": 18.0}, "candidate": {"n": 39, "threshold": 36.0}},
        {"group": "b", "base": {"n": 8, "threshold": null}, "candidate": null},
        {"group": "c", "base": null, "candidate": {"n": 9, "threshold": 9.0}},
    ]);
    assert_eq!(difference["groups"], expected);
    let half = line(&sandbox, &server, &["diff", first, second, "--coverage", "0.5"]).await;
    assert_eq!(half["groups"][1]["base"]["threshold"], 5.0);
    let said = sandbox.agespan(&server, &["calibration", "diff", first, second]).await;
    assert!(
        said.out.contains("too few faces") && said.out.contains("no such group"),
        "{}",
        said.out
    );

    for (command, active) in [("activate", first), ("activate", second)] {
        let shown = line(&sandbox, &server, &[command, active]).await;
        assert_eq!((&shown["name"], &shown["active"]), (&json!(active), &json!(true)));
    }
    assert_eq!(line(&sandbox, &server, &["show", first]).await["active"], false);
    assert_eq!(line(&sandbox, &server, &["rollback", MODEL]).await["name"], first);
    let listed = sandbox.agespan(&server, &["calibration", "list"]).await;
    assert!(listed.out.contains(first) && listed.out.contains("absolute"), "{}", listed.out);

    for (arguments, words) in [
        (["rollback", "models/mine"], "before"),
        (["show", "calibrations/none"], "no calibration none"),
        (["rollback", "models/none"], "none"),
    ] {
        let said = sandbox.agespan(&server, &[&["calibration"], &arguments[..]].concat()).await;
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
    }
}

/// The most memory that a process ever had, in MiB.
fn most_memory(server: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn a_million_rows_stream_through_in_bounded_memory() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan-conformal-calibrator", &[]).await;
    let before = most_memory(&server);
    let batches = (0..100).map(|index| rows(10_000, ["a", "b", "c"][index % 3])).collect();
    let fitted = fit(&server, batches).await;
    assert_eq!(fitted.size, 1_000_000);
    assert_eq!(fitted.groups[0].threshold_at_90, Some(90.0));
    // Of a row one score is kept, and its text while the document is written: 8 and 20 bytes. The
    // messages together are 40 bytes a row on the wire and 140 in memory.
    let grown = most_memory(&server) - before;
    assert!(grown < 100, "{grown} MiB for a million rows");
}
