use agespan_conformal::Person;
use serde::Deserialize;

use super::*;

fn row(age: f64, estimate: f64, half_width: f64, female: bool, answered: bool) -> Row {
    Row {
        age,
        female: Some(female),
        estimate,
        interval: (estimate - half_width, estimate + half_width),
        group: "20-29".to_owned(),
        answered_female: answered,
        probability_female: 0.5,
        race: "other".to_owned(),
        path: format!("{age}.jpg"),
    }
}

fn rows() -> Vec<Row> {
    vec![
        row(20.0, 22.0, 5.0, true, true),
        row(25.0, 24.0, 5.0, true, false),
        row(31.0, 21.0, 5.0, false, false),
        row(28.0, 27.0, 1.0, false, false),
    ]
}

#[test]
fn figures_equal_those_worked_out_by_hand() {
    let metrics = measure(&rows(), Coverage::DEFAULT).unwrap();
    let overall = &metrics.overall;
    assert_eq!(overall.mae.value, (2.0 + 1.0 + 10.0 + 1.0) / 4.0);
    assert_eq!(overall.bias, (2.0 - 1.0 - 10.0 - 1.0) / 4.0);
    assert_eq!(overall.within_five.value, 0.75);
    assert_eq!(overall.coverage.value, 0.75);
    assert_eq!((overall.mean_width, overall.median_width), (8.0, 10.0));
    let decades: Vec<_> =
        metrics.by_true_decade.iter().map(|g| (g.name.as_str(), g.count)).collect();
    assert_eq!(decades, [("20-29", 3), ("30-39", 1)]);
    assert_eq!(metrics.by_predicted_group.len(), 1);
    let by_gender: Vec<_> = metrics.divisions[0].groups.iter().map(|g| g.count).collect();
    assert_eq!(by_gender, [2, 2]);
    let products: Vec<_> =
        metrics.divisions[3].groups.iter().map(|g| (g.name.as_str(), g.count)).collect();
    assert_eq!(products, [("female 20-29", 2), ("male 20-29", 1), ("male 30-39", 1)]);
    assert_eq!(metrics.gender.accuracy.value, 0.75);
    assert_eq!(metrics.gender.balanced_accuracy, 0.75);
    assert_eq!((metrics.gender.female_as_male, metrics.gender.male_as_male), (1, 2));
}

#[test]
fn bounds_hold_the_figure_and_are_the_same_each_time() {
    let first = measure(&rows(), Coverage::DEFAULT).unwrap();
    assert_eq!(first, measure(&rows(), Coverage::DEFAULT).unwrap());
    for bounded in [first.overall.mae, first.overall.coverage, first.gender.accuracy] {
        assert!(bounded.lower <= bounded.value && bounded.value <= bounded.upper);
        assert!(bounded.lower < bounded.upper);
    }
}

#[test]
fn no_faces_give_no_figures() {
    assert_eq!(measure(&[], Coverage::DEFAULT), None);
}

#[derive(Deserialize)]
struct Golden {
    rows: Vec<GoldenRow>,
    accuracy: f64,
    balanced_accuracy: f64,
    f1: f64,
    f1_male: f64,
    area: f64,
    curve: Vec<(f64, f64)>,
    median_error: f64,
    interval_score: f64,
}

#[derive(Deserialize)]
struct GoldenRow {
    female: bool,
    probability: f64,
    answered: bool,
    age: f64,
    estimate: f64,
    interval: (f64, f64),
}

#[test]
fn genders_and_interval_scores_equal_those_of_scikit_learn_and_numpy() {
    let golden = include_str!("../../../../tests/golden/gender.json");
    let golden: Golden = serde_json::from_str(golden).unwrap();
    let answered = |of: &GoldenRow| Row {
        interval: of.interval,
        probability_female: of.probability,
        ..row(of.age, of.estimate, 0.0, of.female, of.answered)
    };
    let rows: Vec<Row> = golden.rows.iter().map(answered).collect();
    let Metrics { overall, gender, .. } = measure(&rows, Coverage::DEFAULT).unwrap();
    let roc = gender.roc.unwrap();
    for (found, expected) in [
        (gender.accuracy.value, golden.accuracy),
        (gender.balanced_accuracy, golden.balanced_accuracy),
        (gender.f1, golden.f1),
        (gender.f1_male, golden.f1_male),
        (roc.area.value, golden.area),
        (overall.median_error, golden.median_error),
        (overall.interval_score, golden.interval_score),
    ] {
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }
    assert!(roc.area.lower < roc.area.value && roc.area.value < roc.area.upper);
    let curve: Vec<_> =
        roc.points.iter().map(|point| (point.false_rate, point.true_rate)).collect();
    assert_eq!(curve.len(), golden.curve.len());
    for (found, expected) in curve.iter().zip(&golden.curve) {
        assert!((found.0 - expected.0).abs() < 1e-12 && (found.1 - expected.1).abs() < 1e-12);
    }
}

#[test]
fn one_gender_alone_has_no_curve() {
    let rows = [row(20.0, 22.0, 5.0, true, true), row(30.0, 22.0, 5.0, true, true)];
    assert_eq!(measure(&rows, Coverage::DEFAULT).unwrap().gender.roc, None);
}

/// Of each of two races forty faces, those of `b` estimated ten years too old.
fn unfair() -> Vec<Row> {
    let face = |index: u32| {
        let (age, off) = (f64::from(index % 40) + 10.0, f64::from(index / 40) * 10.0);
        let race = if index < 40 { "a" } else { "b" };
        Row {
            path: index.to_string(),
            race: race.to_owned(),
            ..row(age, age + off, 5.0, index.is_multiple_of(2), true)
        }
    };
    (0..80).map(face).collect()
}

#[test]
fn the_worst_group_is_named_with_its_gap() {
    let gaps = measure(&unfair(), Coverage::DEFAULT).unwrap().gaps;
    let gap = |figure: &str| gaps.iter().find(|gap| gap.by == "race" && gap.figure == figure);
    let error = gap("error").unwrap();
    assert_eq!((error.worst.as_str(), error.best.as_str()), ("b", "a"));
    assert_eq!(error.gap, Bounded { value: 10.0, lower: 10.0, upper: 10.0 });
    assert_eq!(gap("coverage").unwrap().gap.value, -1.0);
    // Twenty of each gender and race are too few to be called the worst.
    assert!(gaps.iter().all(|gap| gap.by != "gender and race"), "{gaps:?}");
    // All are answered "female".
    let of_gender = |gap: &&Gap| gap.by == "gender" && gap.figure == "gender";
    assert_eq!(gaps.iter().find(of_gender).unwrap().worst, "male");
}

#[test]
fn an_age_check_counts_who_is_younger_and_passes() {
    let people: Vec<Person> = (0..1000)
        .map(|index| {
            let truth = f64::from(index % 50);
            Person { truth, predicted: truth + f64::from(index % 7) - 3.0 }
        })
        .collect();
    let rate = Coverage::new(0.01).unwrap();
    let rows = [
        row(15.0, 15.0, 5.0, true, true),
        row(17.0, 40.0, 5.0, true, true),
        row(18.0, 40.0, 5.0, true, true),
        row(30.0, 5.0, 5.0, true, true),
        row(31.0, 18.0, 5.0, true, true),
    ];
    let check = check_age(&rows, &people, 18, rate);
    let found = check.found.unwrap();
    assert_eq!((found.younger, found.older), (2, 3));
    assert_eq!(found.false_pass.value, 0.5);
    assert_eq!(found.false_fail.value, 1.0 / 3.0);
    assert_eq!(found.challenged.value, 1.0 / 3.0);
    let years: Vec<_> = found.years.iter().map(|year| (year.year, year.passed.value)).collect();
    assert_eq!(years, [(15, 0.0), (17, 1.0), (18, 1.0)]);
    let refused = check_age(&rows, &people[..100], 18, rate);
    assert!(refused.found.is_none() && refused.refusal.contains("1"), "{}", refused.refusal);
}

#[test]
fn a_comparison_is_of_the_same_faces() {
    let rows = unfair();
    let mut worse = rows.clone();
    worse.iter_mut().for_each(|row| row.estimate += 2.0);
    worse.remove(3);
    let name = || ("models/b".to_owned(), "calibrations/b".to_owned());
    let found = Comparison::of(&rows, name(), &worse, Coverage::DEFAULT).unwrap();
    assert_eq!((found.count, found.width.value, found.gender.value), (79, 0.0, 0.0));
    assert_eq!(found.error, Bounded { value: -2.0, lower: -2.0, upper: -2.0 });
    assert_eq!(Comparison::of(&rows, name(), &[], Coverage::DEFAULT), None);
}
