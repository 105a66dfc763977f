use super::*;

/// Faces whose estimate lies `off` above `slope` times the prompt, in intervals of ten years.
fn rows(slope: f64, off: f64) -> Vec<Row> {
    let row = |index: u32| {
        let age = index % 18 * 5;
        let estimate = (f64::from(age) * slope + off).max(0.0);
        Row {
            index,
            seed: u64::from(index),
            age,
            female: index.is_multiple_of(2),
            race: "White".to_owned(),
            estimate,
            interval: ((estimate - 5.0).max(0.0), estimate + 5.0),
            shifted: Some((0.0, 100.0)),
            second: Some(SecondAnswer {
                estimate: estimate + 1.0,
                interval: (estimate, estimate + 2.0),
                probability_female: 0.5,
                answered_female: true,
            }),
            group: "all".to_owned(),
            probability_female: 0.5,
            answered_female: !index.is_multiple_of(4),
            faces: Some(1),
            image: String::new(),
        }
    };
    (0..90).map(row).collect()
}

fn check(rows: Vec<Row>) -> CrossCheck {
    let (line, agreement) = measure(&rows, Coverage::DEFAULT).unwrap();
    CrossCheck {
        generated: "jobs/a".to_owned(),
        pipeline: "pipelines/p".to_owned(),
        model: "models/b".to_owned(),
        calibration: "calibrations/c".to_owned(),
        coverage: 0.9,
        refused: 0,
        line,
        agreement,
        shifted: shifted(&rows, 12.0),
        second: Second::of(
            &rows,
            ("models/s".to_owned(), "calibrations/s".to_owned()),
            Coverage::DEFAULT,
        ),
        rows,
    }
}

#[test]
fn figures_are_those_of_the_prompts() {
    let found = check(rows(1.0, 2.0));
    assert!((found.line.slope.value - 1.0).abs() < 1e-9);
    assert_eq!(found.agreement.overall.bias, 2.0);
    assert_eq!(found.agreement.overall.coverage.value, 1.0);
    assert_eq!(found.agreement.gender.accuracy.value, 22.0 / 90.0);
    let shifted = found.shifted.unwrap();
    assert_eq!((shifted.inside.value, shifted.mean_width), (1.0, 100.0));
    assert_eq!(measure(&rows(1.0, 0.0)[..1], Coverage::DEFAULT).map(|_| ()), None);
}

#[test]
fn the_answer_follows_the_figures() {
    let said = |slope, off| answer(&check(rows(slope, off))).join(" ");
    let good = said(1.0, 1.0);
    assert!(good.contains("follow the prompts over the whole range"), "{good}");
    assert!(good.contains("Yes, and more"), "{good}");
    let bad = said(0.2, 30.0);
    assert!(bad.contains("only in part") && bad.contains("No, not as it is"), "{bad}");
    assert!(bad.contains("too few to lean on"), "{bad}");
    assert!(bad.contains("points at the generator"), "{bad}");
    assert!(good.contains("cannot tell"), "{good}");
    assert!(bad.contains("Faces asked to be 80–89 come out 36 years"), "{bad}");
    let mut uneven = rows(1.0, 0.0);
    for row in uneven.iter_mut().filter(|row| (40..50).contains(&row.age)) {
        row.estimate -= 9.0;
    }
    let uneven = answer(&check(uneven)).join(" ");
    assert!(uneven.contains("not evenly") && uneven.contains("40–49 come out 9 years"), "{uneven}");
}

#[test]
fn the_page_shows_every_image_and_no_address() {
    let found = check(rows(1.0, 2.0));
    let page = page(&found);
    assert_eq!(page.matches("data:image/png;base64,").count(), 90);
    assert!(page.contains("<svg") && page.contains("prompted age, years"));
    assert!(
        !page.contains("http://")
            || page.matches("http://").count() == page.matches("http://www.w3.org").count()
    );
}

#[test]
fn a_second_predictor_is_held_against_prompts_and_against_the_first() {
    let mut rows = rows(1.0, 2.0);
    rows[0].second = None;
    let name = || ("models/s".to_owned(), "calibrations/s".to_owned());
    let found = Second::of(&rows, name(), Coverage::DEFAULT).unwrap();
    assert_eq!((found.overall.count, found.overall.bias), (89, 3.0));
    assert_eq!((found.apart.value, found.gender.male_as_male), (1.0, 0));
    rows.iter_mut().for_each(|row| row.second = None);
    assert_eq!(Second::of(&rows, name(), Coverage::DEFAULT), None);
}
