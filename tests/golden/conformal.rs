//! Thresholds against those of crepes and MAPIE.

use std::fs;

use agespan_conformal::{
    AgeSupport, Calibration, CalibrationSpec, Coverage, Grouping, Prediction, Score,
};
use agespan_tests::repository;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Golden {
    groups: BTreeMap<String, Vec<f64>>,
    thresholds: Vec<Threshold>,
    nine_at_90: BTreeMap<String, String>,
    eight_at_90: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Threshold {
    group: String,
    level: f64,
    crepes: f64,
    mapie: f64,
}

fn golden() -> Golden {
    let golden = fs::read(repository().join("tests/golden/conformal.json")).unwrap();
    serde_json::from_slice(&golden).unwrap()
}

/// Labelled groups of residuals, as truths about a prediction of 50 years.
fn fit<'a>(groups: impl IntoIterator<Item = (&'a str, Vec<f64>)>) -> Calibration {
    let rows = groups.into_iter().flat_map(|(label, residuals)| {
        let prediction = Prediction::new(50.0, 1.0).unwrap().with_label(label);
        residuals.into_iter().map(move |residual| (prediction.clone(), 50.0 + residual))
    });
    let spec = CalibrationSpec::new(Score::Absolute, Grouping::Label);
    Calibration::fit(spec, AgeSupport::default(), rows).unwrap()
}

#[test]
fn thresholds_equal_those_of_both_libraries_where_they_are_right() {
    let golden = golden();
    let groups = golden.groups.iter().map(|(label, residuals)| (label.as_str(), residuals.clone()));
    let calibration = fit(groups);
    assert_eq!(golden.thresholds.len(), 16);
    for Threshold { group, level, crepes, mapie } in golden.thresholds {
        let coverage = Coverage::new(level).unwrap();
        let ours = calibration.threshold(&group, coverage).unwrap();
        // Adding 50 and taking it away again costs the last digits.
        assert!((ours - crepes).abs() < 1e-9, "{group} at {level}: {ours}, crepes {crepes}");
        assert!((ours - mapie).abs() < 1e-9, "{group} at {level}: {ours}, MAPIE {mapie}");
        let interval = calibration
            .interval(&Prediction::new(40.0, 1.0).unwrap().with_label(group.as_str()), coverage);
        assert!((interval.upper - 40.0 - crepes).abs() < 1e-9);
    }
}

#[test]
fn nine_suffice_for_90_percent_and_eight_do_not_whatever_the_libraries_say() {
    let up_to = |n: u32| (1..=n).map(f64::from).collect();
    let calibration = fit([("nine", up_to(9)), ("eight", up_to(8))]);
    assert_eq!(calibration.threshold("nine", Coverage::DEFAULT), Some(9.0));
    assert_eq!(calibration.threshold("eight", Coverage::DEFAULT), None);
    let golden = golden();
    // crepes computes the rank in floating point, MAPIE asks for one row too many: both leave nine
    // rows without a finite threshold, which costs no coverage but every width.
    assert_eq!(golden.nine_at_90["crepes"], "inf");
    assert!(golden.nine_at_90["mapie"].starts_with("refused"));
    assert_eq!(golden.eight_at_90["crepes"], "inf");
}
