//! Any predictor can be calibrated: from files without a server, and over gRPC.

use std::fmt::Write;
use std::fs;

use agespan_client::proto::age::v1::{Gender, IntervalStatus};
use agespan_client::proto::calibrator::v1 as proto;
use agespan_client::proto::calibrator::v1::fit_calibration_request::Part;
use agespan_tests::{Process, Said, Sandbox};
use futures_util::stream;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Runs `agespan calibrate` where no server is.
async fn calibrate(sandbox: &Sandbox, arguments: &[&str]) -> Said {
    sandbox.alone(&[&["--json", "calibrate", "--predictions"], arguments].concat()).await
}

/// Errors of 1, 2, … n years.
fn rows(n: u32, group: &str) -> String {
    let mut text = String::new();
    for error in 1..=n {
        writeln!(text, "40,{},2.5,{group}", 40 + error).unwrap();
    }
    text
}

const HEADER: &str = "prediction,truth,sigma,group\n";

#[tokio::test]
async fn thresholds_of_a_file_are_exact_and_a_group_too_small_says_so() {
    let sandbox = Sandbox::new().await;
    fs::write(sandbox.path("a.csv"), format!("{HEADER}{}{}", rows(9, "nine"), rows(8, "eight")))
        .unwrap();
    let said = calibrate(&sandbox, &["a.csv", "--score", "absolute", "--coverage", "0.9"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    // crepes 0.9.1 and MAPIE 1.6.0 find no finite threshold for nine: tests/golden.
    let groups = serde_json::json!([
        {"group": "eight", "n": 8, "threshold": null, "sufficient": false},
        {"group": "nine", "n": 9, "threshold": 9.0, "sufficient": true},
    ]);
    assert_eq!(found["groups"], groups);

    let sigma = calibrate(&sandbox, &["a.csv", "--score", "sigma", "--grouping", "none"]).await;
    let found: Value = serde_json::from_str(&sigma.out).unwrap();
    // The 17 errors in order: 1 1 2 2 … 8 8 9; the 17th of them over 2.5 + 0.5 years.
    assert_eq!(found["groups"][0]["threshold"], 3.0);
    assert_eq!(found["groups"][0]["group"], "all");
}

#[tokio::test]
async fn intervals_are_written_beside_each_row() {
    let sandbox = Sandbox::new().await;
    fs::write(sandbox.path("a.csv"), format!("{HEADER}{}", rows(9, "g"))).unwrap();
    fs::write(sandbox.path("new.csv"), "id,group,prediction\nx,g,50\ny,g,3\nz,other,50\n").unwrap();
    let said = calibrate(&sandbox, &["a.csv", "--apply", "new.csv"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let written = fs::read_to_string(sandbox.path("new.intervals.csv")).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[0], "id,group,prediction,lower,upper");
    let ends = |line: &str| -> (f64, f64) {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[3].parse().unwrap(), fields[4].parse().unwrap())
    };
    let near = |found: (f64, f64), expected: (f64, f64)| {
        assert!((found.0 - expected.0).abs() < 1e-9 && (found.1 - expected.1).abs() < 1e-9);
    };
    near(ends(lines[1]), (41.0, 59.0));
    near(ends(lines[2]), (0.0, 12.0));
    near(ends(lines[3]), (0.0, 116.0));
}

#[tokio::test]
async fn bad_files_are_one_clear_line_and_leave_nothing() {
    let sandbox = Sandbox::new().await;
    fs::write(sandbox.path("good.csv"), format!("{HEADER}{}", rows(9, "g"))).unwrap();
    let cases = [
        ("prediction,truth\n", "no rows"),
        ("truth\n4\n", "no column called prediction"),
        ("prediction\n4\n", "no column called truth"),
        ("prediction,prediction,truth\n", "two columns"),
        ("prediction,truth\n40,41\n40,old\n", "line 3"),
        ("prediction,truth\n40,41\nNaN,40\n", "line 3"),
        ("prediction,truth\n40,-1\n", "line 2"),
        ("prediction,truth\n-3,1\n", "line 2"),
        ("prediction,truth\n40,41,42\n", "line"),
    ];
    for (text, words) in cases {
        fs::write(sandbox.path("bad.csv"), text).unwrap();
        let said = calibrate(&sandbox, &["bad.csv"]).await;
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{text}: {}", said.err);
        assert!(said.err.contains("bad.csv") && said.err.contains(words), "{text}: {}", said.err);
    }
    fs::write(sandbox.path("new.csv"), "prediction,group\n50,g\n-1,g\n").unwrap();
    let said = calibrate(&sandbox, &["good.csv", "--apply", "new.csv"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("new.csv line 3"), "{}", said.err);
    assert!(
        !sandbox.path("new.intervals.csv").exists() && !sandbox.path("new.intervals.part").exists()
    );
    for (arguments, words) in [
        (["good.csv", "--coverage", "1.5"], "between 0 and 1"),
        (["good.csv", "--score", "quantile"], "distributions"),
        (["missing.csv", "--score", "absolute"], "cannot read missing.csv"),
        (["good.csv", "--grouping", "predicted-gender"], "group column"),
    ] {
        let said = calibrate(&sandbox, &arguments).await;
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
    }
}

async fn fit(
    server: &Process,
    spec: proto::CalibrationSpec,
    predictions: Vec<proto::LabelledPrediction>,
) -> Result<proto::Calibration, Status> {
    let batch = Part::Predictions(proto::PredictionBatch { predictions });
    let parts = [Part::Spec(spec), batch];
    let parts = parts.map(|part| proto::FitCalibrationRequest { part: Some(part) });
    let answer = server.client.calibrator().fit_calibration(stream::iter(parts)).await?;
    Ok(answer.into_inner().calibration.unwrap())
}

/// A triangle about an age.
fn distribution(age: usize) -> Vec<f32> {
    let mut p = vec![0.0; 117];
    (p[age - 1], p[age], p[age + 1]) = (0.25, 0.5, 0.25);
    p
}

fn labelled(index: usize) -> proto::LabelledPrediction {
    let age = 30 + index % 40;
    let gender = if index.is_multiple_of(2) { Gender::Female } else { Gender::Male };
    proto::LabelledPrediction {
        distribution: distribution(age),
        truth: (age + index % 3) as f64 - 1.0,
        gender: gender.into(),
        group: format!("clinic {}", index % 4),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_score_and_grouping_is_served() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan-conformal-calibrator", &[]).await;
    for (score, grouping) in
        (1..=5).flat_map(|score| (1..=6).map(move |grouping| (score, grouping)))
    {
        let spec =
            proto::CalibrationSpec { score, grouping, model: "mine".into(), ..Default::default() };
        let fitted = fit(&server, spec, (0..600).map(labelled).collect()).await.unwrap();
        assert_eq!((fitted.score, fitted.grouping, fitted.size), (score, grouping, 600));
        assert_eq!(fitted.people, 600);
        let unlabelled = proto::UnlabelledPrediction {
            distribution: distribution(44),
            gender: Gender::Male.into(),
            group: "clinic 1".into(),
            ..Default::default()
        };
        let request = proto::PredictIntervalsRequest {
            calibration: fitted.name,
            predictions: vec![unlabelled],
            model: "mine".into(),
            ..Default::default()
        };
        let answer = server.client.calibrator().predict_intervals(request).await.unwrap();
        let interval = answer.into_inner().intervals.remove(0);
        assert_eq!(interval.status(), IntervalStatus::Calibrated, "{score} {grouping}");
        assert!(interval.lower <= 44.0 && 44.0 <= interval.upper);
        assert!(interval.upper - interval.lower < 30.0, "{score} {grouping}: {interval:?}");
        assert!(interval.group_size >= 100);
    }
}

#[tokio::test]
async fn predictions_that_do_not_fit_are_refused_by_field() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan-conformal-calibrator", &[]).await;
    let spec = |score: proto::Score, grouping: proto::Grouping| proto::CalibrationSpec {
        score: score.into(),
        grouping: grouping.into(),
        model: "mine".into(),
        ..Default::default()
    };
    let plain = proto::LabelledPrediction { prediction: 40.0, truth: 41.0, ..Default::default() };
    let with = |change: fn(&mut proto::LabelledPrediction)| {
        let mut row = plain.clone();
        change(&mut row);
        row
    };
    use proto::{Grouping, Score};
    let cases = [
        (spec(Score::Sigma, Grouping::None), plain.clone(), "predictions[1].sigma"),
        (spec(Score::Quantile, Grouping::None), plain.clone(), "predictions[1].distribution"),
        (spec(Score::Absolute, Grouping::PredictedGender), plain.clone(), "predictions[1].gender"),
        (spec(Score::Absolute, Grouping::Label), plain.clone(), "predictions[1].group"),
        (
            spec(Score::Absolute, Grouping::None),
            with(|row| row.prediction = f64::NAN),
            "predictions[1].prediction",
        ),
        (
            spec(Score::Absolute, Grouping::None),
            with(|row| row.distribution = vec![1.0]),
            "predictions[1].distribution",
        ),
        (
            spec(Score::Absolute, Grouping::None),
            with(|row| row.gender = 9),
            "predictions[1].gender",
        ),
        (
            spec(Score::Absolute, Grouping::None),
            with(|row| row.group = "x".repeat(65)),
            "predictions[1].group",
        ),
        (spec(Score::Absolute, Grouping::None), with(|row| row.truth = -1.0), "predictions"),
    ];
    let good = proto::LabelledPrediction {
        gender: Gender::Female.into(),
        group: "a".into(),
        ..labelled(0)
    };
    for (spec, bad, field) in cases {
        let status = fit(&server, spec, vec![good.clone(), bad]).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let blamed = status.get_details_bad_request().unwrap().field_violations.remove(0).field;
        assert_eq!(blamed, field, "{status}");
    }
    let none = fit(&server, spec(Score::Absolute, Grouping::None), vec![]).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    let list = proto::ListCalibrationsRequest { model: "mine".into(), ..Default::default() };
    let list = server.client.calibrator().list_calibrations(list).await.unwrap().into_inner();
    assert!(list.calibrations.is_empty(), "nothing is stored of what was refused");

    let fitted =
        fit(&server, spec(Score::Absolute, Grouping::None), vec![plain; 20]).await.unwrap();
    let request = proto::PredictIntervalsRequest {
        calibration: fitted.name,
        predictions: vec![proto::UnlabelledPrediction { prediction: 30.0, ..Default::default() }],
        model: "yours".into(),
        ..Default::default()
    };
    let status = server.client.calibrator().predict_intervals(request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.get_details_error_info().unwrap().reason, "OTHER_MODEL");
}

#[tokio::test]
async fn a_shift_that_is_known_is_corrected_for() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan-conformal-calibrator", &[]).await;
    // Errors grow with age; the new kind is older.
    let age = |index: u32, old: bool| f64::from(20 + index * 7 % 40) + if old { 20.0 } else { 0.0 };
    let unlabelled = |old: bool| -> Vec<_> {
        (0..300)
            .map(|index| proto::UnlabelledPrediction {
                prediction: age(index, old),
                sigma: Some(3.0),
                ..Default::default()
            })
            .collect()
    };
    let calibration: Vec<_> = (0..600)
        .map(|index| {
            let prediction = age(index, false);
            let error = prediction / 10.0 * f64::from(index * 13 % 21) / 20.0;
            proto::LabelledPrediction {
                prediction,
                sigma: Some(3.0),
                truth: prediction + error,
                ..Default::default()
            }
        })
        .collect();
    let request = |target: Vec<_>| proto::PredictShiftedIntervalsRequest {
        calibration: calibration.clone(),
        source: unlabelled(false),
        predictions: unlabelled(true),
        target,
        ..Default::default()
    };
    let mut client = server.client.calibrator();
    let ask = |target| request(target);
    let shifted =
        client.predict_shifted_intervals(ask(unlabelled(true))).await.unwrap().into_inner();
    let same = client.predict_shifted_intervals(ask(unlabelled(false))).await.unwrap().into_inner();
    assert_eq!(shifted.intervals.len(), 300);
    assert!(shifted.effective_sample_size < same.effective_sample_size);
    let width = |answer: &proto::PredictShiftedIntervalsResponse| -> f64 {
        answer.intervals.iter().map(|interval| interval.upper - interval.lower).sum()
    };
    assert!(width(&shifted) > width(&same));
    let few =
        client.predict_shifted_intervals(ask(unlabelled(true)[..9].to_vec())).await.unwrap_err();
    assert_eq!(few.code(), Code::InvalidArgument);
}
