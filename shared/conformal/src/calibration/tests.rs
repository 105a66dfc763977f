use super::*;
use proptest::prelude::*;

/// With everything that any score or grouping needs, made from two numbers.
fn prediction(mean: f64, sigma: f64) -> Prediction {
    let weight = |age: i32| (-((f64::from(age) - mean) / (sigma + 0.4)).powi(2) / 2.0).exp() + 1e-9;
    let weights: Vec<f64> = (0..117).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let shape: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
    let shape = Prediction::from_distribution(&shape).unwrap();
    let mut prediction = Prediction::new(mean, sigma)
        .unwrap()
        .with_gender(sigma > 3.0)
        .with_label(if (mean as u32).is_multiple_of(2) { "even" } else { "odd" });
    prediction.distribution = shape.distribution;
    prediction
}

fn fit(spec: CalibrationSpec, rows: &[(f64, f64, f64)]) -> Calibration {
    let rows = rows.iter().map(|&(mean, sigma, truth)| (prediction(mean, sigma), truth));
    Calibration::fit(spec, AgeSupport::default(), rows).unwrap()
}

fn absolute() -> CalibrationSpec {
    CalibrationSpec::new(Score::Absolute, Grouping::None)
}

/// Predicted 50 each, off by 1, 2, … n years.
fn off_by_up_to(n: usize) -> Calibration {
    let rows: Vec<_> = (1..=n).map(|error| (50.0, 3.0, 50.0 + error as f64)).collect();
    fit(absolute(), &rows)
}

#[test]
fn nine_rows_are_finite_at_ninety_percent_and_eight_are_not() {
    let nine = off_by_up_to(9).interval(&prediction(60.0, 3.0), Coverage::DEFAULT);
    assert!((nine.lower - 51.0).abs() < 1e-9 && (nine.upper - 69.0).abs() < 1e-9);
    assert!(nine.sufficient);
    assert_eq!((nine.group.as_str(), nine.group_size), ("all", 9));

    let eight = off_by_up_to(8).interval(&prediction(60.0, 3.0), Coverage::DEFAULT);
    assert_eq!((eight.lower, eight.upper), (0.0, 116.0));
    assert!(!eight.sufficient);
    assert_eq!(eight.group_size, 8);
}

#[test]
fn any_level_can_be_asked_later() {
    let calibration = off_by_up_to(19);
    let threshold = |level| calibration.threshold("all", Coverage::new(level).unwrap());
    assert_eq!(threshold(0.5), Some(10.0));
    assert_eq!(threshold(0.9), Some(18.0));
    assert_eq!(threshold(0.95), Some(19.0));
    assert_eq!(threshold(0.951), None);
    assert_eq!(calibration.threshold("20-29", Coverage::DEFAULT), None);
}

#[test]
fn a_refused_row_is_named() {
    let good = (prediction(30.0, 1.0), 30.0);
    let refuse = |bad: (Prediction, f64)| {
        Calibration::fit(absolute(), AgeSupport::default(), [good.clone(), bad]).unwrap_err()
    };
    for truth in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = refuse((prediction(30.0, 1.0), truth));
        assert!(matches!(error, FitError::Row { row: 1, error: RowError::TruthNotFinite { .. } }));
    }
    for truth in [-1.0, 117.0] {
        let error = refuse((prediction(30.0, 1.0), truth));
        assert!(matches!(
            error,
            FitError::Row { row: 1, error: RowError::TruthOutsideSupport { .. } }
        ));
        assert!(error.to_string().starts_with("row 1: "));
    }
    let error = refuse((prediction(120.0, 1.0), 100.0));
    assert!(matches!(
        error,
        FitError::Row { row: 1, error: RowError::PredictionOutsideSupport { .. } }
    ));
    let empty = Calibration::fit(absolute(), AgeSupport::default(), []);
    assert_eq!(empty, Err(FitError::Empty));
}

#[test]
fn each_group_has_its_own_threshold() {
    let spec = CalibrationSpec {
        min_group: 10,
        ..CalibrationSpec::new(Score::Absolute, Grouping::PredictedDecade)
    };
    let young = (1..=10).map(|i| (25.0, 1.0, 25.0 + f64::from(i) / 10.0));
    let old = (1..=10).map(|i| (75.0, 1.0, 75.0 + f64::from(i)));
    let calibration = fit(spec, &young.chain(old).collect::<Vec<_>>());
    let names: Vec<&str> =
        calibration.groups().iter().map(|group| group.group().name.as_str()).collect();
    assert_eq!(names, ["0-69", "70+"]);
    let young = calibration.interval(&prediction(69.9, 1.0), Coverage::DEFAULT);
    assert_eq!(young.group, "0-69");
    assert!((young.upper - 70.9).abs() < 1e-9);
    let old = calibration.interval(&prediction(70.0, 1.0), Coverage::DEFAULT);
    assert_eq!(old.group, "70+");
    assert!((old.upper - 80.0).abs() < 1e-9);
}

#[test]
fn a_prediction_beyond_the_support_gets_the_nearest_possible_age() {
    let interval = off_by_up_to(9).interval(&prediction(1e6, 1.0), Coverage::DEFAULT);
    assert_eq!((interval.lower, interval.upper), (116.0, 116.0));
}

/// The file as it stands: changing this breaks every calibration that was ever published.
#[test]
fn format_two() {
    let spec = CalibrationSpec {
        min_group: 1,
        ..CalibrationSpec::new(Score::SquareRoot, Grouping::PredictedDecade)
    };
    let calibration = fit(spec, &[(24.0, 3.0, 34.0), (24.0, 3.0, 24.5), (99.0, 3.0, 99.0)]);
    let json = concat!(
        r#"{"format":2,"score":"square_root","grouping":"predicted_decade","min_group":1,"#,
        r#""support":{"lower":0.0,"upper":116.0},"groups":["#,
        r#"{"name":"0-89","slice":"everyone","from":0.0,"to":90.0,"scores":[0.1,2.0]},"#,
        r#"{"name":"90+","slice":"everyone","from":90.0,"to":116.0,"scores":[0.0]}]}"#,
    );
    assert_eq!(String::from_utf8(calibration.to_json()).unwrap(), json);
    assert_eq!(Calibration::from_json(json.as_bytes()).unwrap(), calibration);
    assert_eq!(serde_json::from_str::<Calibration>(json).unwrap(), calibration);
    assert_eq!(serde_json::to_string(&calibration).unwrap(), json);
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    use InvalidCalibration::*;
    let json = concat!(
        r#"{"format":2,"score":"absolute","grouping":"predicted_decade","min_group":2,"#,
        r#""support":{"lower":0.0,"upper":116.0},"groups":["#,
        r#"{"name":"0-29","slice":"everyone","from":0.0,"to":30.0,"scores":[1.0,2.0,3.0]},"#,
        r#"{"name":"30+","slice":"everyone","from":30.0,"to":116.0,"scores":[4.0,5.0]}]}"#,
    );
    let read = |json: &str| Calibration::from_json(json.as_bytes());
    assert!(read(json).is_ok());
    let refuse = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        let changed = json.replace(from, to);
        assert!(serde_json::from_str::<Calibration>(&changed).is_err());
        match read(&changed) {
            Err(ArtifactError::Invalid(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let disorder = refuse("[1.0,2.0,3.0]", "[1.0,3.0,2.0]");
    assert!(matches!(disorder, Scores { position: 2, .. }));
    assert!(matches!(refuse(r#""to":30.0"#, r#""to":20.0"#), Name { .. }));
    assert!(matches!(refuse(r#""from":30.0"#, r#""from":40.0"#), Partition(_)));
    assert!(matches!(refuse(r#""from":0.0"#, r#""from":1.0"#), Partition(_)));
    assert!(matches!(
        refuse(r#""from":30.0,"to":116.0"#, r#""from":30.0,"to":110.0"#),
        Name { .. }
    ));
    let short = refuse(
        r#"{"name":"30+","slice":"everyone","from":30.0,"to":116.0"#,
        r#"{"name":"30-109","slice":"everyone","from":30.0,"to":110.0"#,
    );
    assert!(matches!(short, Partition(_)));
    let reversed = refuse(r#""from":30.0,"to":116.0"#, r#""from":30.0,"to":30.0"#);
    assert!(matches!(reversed, Partition(_)));
    assert!(matches!(refuse(r#""name":"30+""#, r#""name":"40+""#), Name { .. }));
    assert!(matches!(refuse(r#""min_group":2"#, r#""min_group":3"#), Small { size: 2, .. }));
    assert!(matches!(refuse("predicted_decade", "none"), Ungrouped(2)));
    assert!(matches!(refuse(r#""format":2"#, r#""format":1"#), Format(1)));
    let groups = &json[json.find(r#"{"name""#).unwrap()..json.len() - 2];
    assert!(matches!(refuse(groups, ""), Empty));

    let not_json = |json: &str| matches!(read(json), Err(ArtifactError::Json(_)));
    assert!(not_json(""));
    assert!(not_json("{}"));
    assert!(not_json(&json.replace("[1.0,2.0,3.0]", "[1.0,null,3.0]")));
    assert!(not_json(&json.replace("3.0]", "1e999]")));
    assert!(not_json(&json.replace(r#""upper":116.0"#, r#""upper":1e9"#)));
    // Of a later format only its number is understood.
    let later = read(r#"{"format":7,"quantiles":[]}"#).unwrap_err();
    assert!(matches!(later, ArtifactError::Invalid(Format(7))));
}

fn any_spec() -> impl Strategy<Value = CalibrationSpec> {
    let grouping = prop::sample::select(Grouping::ALL.to_vec());
    (prop::sample::select(Score::ALL.to_vec()), grouping, 0..20_usize)
        .prop_map(|(score, grouping, min_group)| CalibrationSpec { score, grouping, min_group })
}

/// Predictions with whole true ages, so that there are ties.
fn any_rows() -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
    let row = (0.0..=116.0_f64, 0.0..30.0_f64, 0..117_i32)
        .prop_map(|(mean, sigma, truth)| (mean, sigma, f64::from(truth)));
    prop::collection::vec(row, 1..150)
}

/// Whether a row was counted in a group.
fn is_in(calibration: &Calibration, group: &CalibratedGroup, row: &Prediction, truth: f64) -> bool {
    if calibration.spec().grouping == Grouping::TrueDecade {
        let Group { from, to, .. } = group.group;
        return from <= truth && (truth < to || to == 116.0);
    }
    calibration.group_of(row) == Some(group)
}

proptest! {
    #[test]
    fn the_order_of_the_rows_does_not_matter(
        (rows, shuffled) in any_rows().prop_flat_map(|rows| {
            let shuffled = Just(rows.clone()).prop_shuffle();
            (Just(rows), shuffled)
        }),
        spec in any_spec(),
    ) {
        prop_assert_eq!(fit(spec, &rows).to_json(), fit(spec, &shuffled).to_json());
    }

    #[test]
    fn a_file_is_read_back_to_the_last_bit(rows in any_rows(), spec in any_spec()) {
        let calibration = fit(spec, &rows);
        prop_assert_eq!(calibration.validate(), Ok(()));
        prop_assert_eq!(calibration.size(), rows.len());
        let read = Calibration::from_json(&calibration.to_json()).unwrap();
        prop_assert_eq!(&read, &calibration);
        prop_assert_eq!(read.to_json(), calibration.to_json());
    }

    #[test]
    fn an_interval_is_inside_the_support(
        rows in any_rows(),
        spec in any_spec(),
        mean in 0.0..150.0_f64,
        sigma in 0.0..50.0_f64,
        level in 0.001..0.999_f64,
    ) {
        let interval =
            fit(spec, &rows).interval(&prediction(mean, sigma), Coverage::new(level).unwrap());
        prop_assert!(0.0 <= interval.lower);
        prop_assert!(interval.lower <= interval.upper);
        prop_assert!(interval.upper <= 116.0);
        let everything = (interval.lower, interval.upper) == (0.0, 116.0);
        prop_assert!(interval.sufficient || everything || spec.grouping == Grouping::TrueDecade);
    }

    #[test]
    fn more_coverage_is_never_narrower(
        rows in any_rows(),
        spec in any_spec(),
        mean in 0.0..=116.0_f64,
        levels in (0.01..0.99_f64, 0.01..0.99_f64),
    ) {
        let calibration = fit(spec, &rows);
        let at = |level| calibration.interval(&prediction(mean, 4.0), Coverage::new(level).unwrap());
        let (less, more) = (at(levels.0.min(levels.1)), at(levels.0.max(levels.1)));
        prop_assert!(more.lower <= less.lower && less.upper <= more.upper);
    }

    /// In each group, at least k of its own n calibration truths are inside: no fewer than asked.
    #[test]
    fn the_calibration_rows_are_covered_as_often_as_the_rank_says(
        rows in any_rows(),
        spec in any_spec(),
    ) {
        let calibration = fit(spec, &rows);
        for group in calibration.groups() {
            let Some(k) = rank(group.scores().len(), Coverage::DEFAULT) else { continue };
            let covered = rows
                .iter()
                .map(|&(mean, sigma, truth)| (prediction(mean, sigma), truth))
                .filter(|(prediction, truth)| is_in(&calibration, group, prediction, *truth))
                .filter(|(prediction, truth)| {
                    let interval = calibration.interval(prediction, Coverage::DEFAULT);
                    interval.lower <= *truth && *truth <= interval.upper
                })
                .count();
            prop_assert!(covered >= k, "{covered} < {k} in {}", group.group().name);
        }
    }
}
