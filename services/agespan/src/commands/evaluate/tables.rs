//! The estimator's report for a terminal.

use agespan_client::proto::evaluator::v1 as proto;

use crate::show::{self, percent};

/// The report as tables.
pub(crate) fn show_report(report: &proto::EstimatorReport) {
    let mut table = show::table(&[
        "faces",
        "n",
        "MAE (95 %)",
        "within 5",
        "coverage (95 %)",
        "mean width",
        "median width",
    ]);
    table.add_row(row("all", report.overall.as_ref()));
    for group in &report.by_predicted_group {
        table.add_row(row(&format!("predicted {}", group.name), Some(group)));
    }
    for group in &report.by_true_decade {
        table.add_row(row(&format!("truly {}", group.name), Some(group)));
    }
    // Products of two labels have too many rows for a terminal; the page shows them.
    for division in report.divisions.iter().filter(|division| !division.by.contains(" and ")) {
        for group in &division.groups {
            table.add_row(row(&group.name, Some(group)));
        }
    }
    println!("{table}");
    let gender = report.gender.clone().unwrap_or_default();
    let accuracy = gender.accuracy.unwrap_or_default();
    println!(
        "gender: {} right ({} to {}), balanced {}, F1 {:.3} female {:.3} male, ROC area {:.3}",
        percent(accuracy.value),
        percent(accuracy.lower),
        percent(accuracy.upper),
        percent(gender.balanced_accuracy),
        gender.f1,
        gender.f1_male,
        gender.roc_area.unwrap_or_default().value
    );
    if let Some(overall) = &report.overall {
        println!(
            "error: median {:.2} years; within three {}, within ten {}; interval score {:.1} years",
            overall.median_error,
            percent(overall.within_three.unwrap_or_default().value),
            percent(overall.within_ten.unwrap_or_default().value),
            overall.interval_score
        );
    }
    report.age_checks.iter().for_each(show_age_check);
    report.gaps.iter().filter(|gap| gap.by == "gender and race").for_each(show_gap);
    if let Some(found) = &report.comparison {
        show_comparison(found);
    }
    if report.range_labelled > 0 {
        println!("{} faces have a range for an age and are in no figure", report.range_labelled);
    }
    println!(
        "{} on {}, {}, intervals asked for {}",
        report.model,
        report.dataset,
        report.calibration,
        percent(report.coverage)
    );
}

fn row(name: &str, metrics: Option<&proto::GroupMetrics>) -> Vec<String> {
    let metrics = metrics.cloned().unwrap_or_default();
    let mae = metrics.mae.unwrap_or_default();
    let coverage = metrics.coverage.unwrap_or_default();
    vec![
        name.to_owned(),
        metrics.count.to_string(),
        format!("{:.2} ({:.2} to {:.2})", mae.value, mae.lower, mae.upper),
        percent(metrics.within_five.unwrap_or_default().value),
        show::bounded(coverage.value, coverage.lower, coverage.upper),
        format!("{:.1}", metrics.mean_width),
        format!("{:.1}", metrics.median_width),
    ]
}

fn show_age_check(check: &proto::AgeCheckReport) {
    if !check.refusal.is_empty() {
        return println!("at least {}: not decided, {}", check.age, check.refusal);
    }
    let [passed, failed, challenged] = [check.false_pass, check.false_fail, check.challenged]
        .map(|share| percent(share.unwrap_or_default().value));
    println!(
        "at least {}: passes above {:.1}; of {} younger {passed} passed, of {} older {failed} failed and \
         {challenged} were asked for another proof",
        check.age, check.pass_above, check.younger, check.older
    );
}

fn show_gap(gap: &proto::Gap) {
    let bounds = gap.gap.unwrap_or_default();
    println!(
        "{} is worst for {} ({:.2}) and best for {} ({:.2}), a gap of {:.2} ({:.2} to {:.2})",
        gap.figure,
        gap.worst,
        gap.worst_value,
        gap.best,
        gap.best_value,
        bounds.value,
        bounds.lower,
        bounds.upper
    );
}

fn show_comparison(found: &proto::Comparison) {
    let figures = [
        ("error, years", found.error, 1.0),
        ("coverage, points", found.coverage, 100.0),
        ("width, years", found.width, 1.0),
        ("interval score, years", found.interval_score, 1.0),
        ("right genders, points", found.gender, 100.0),
    ];
    println!("less {} with {}, on the same {} faces:", found.model, found.calibration, found.count);
    let mut table = show::table(&["difference of", "mean", "from", "to"]);
    for (name, figure, scale) in figures {
        let figure = figure.unwrap_or_default();
        let numbers = [figure.value, figure.lower, figure.upper];
        let cells = numbers.map(|number| format!("{:+.2}", number * scale));
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    }
    println!("{table}");
}
