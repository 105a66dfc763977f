//! The estimator's report as one object.

use agespan_client::proto::evaluator::v1 as proto;
use serde_json::{Value, json};

/// The report as one object.
pub(crate) fn to_json(report: &proto::EstimatorReport) -> Value {
    let gender = report.gender.clone().unwrap_or_default();
    let groups = |groups: &[proto::GroupMetrics]| groups.iter().map(group).collect::<Vec<_>>();
    json!({
        "dataset": report.dataset, "split_hash": report.split_hash,
        "model": report.model, "calibration": report.calibration,
        "coverage": report.coverage, "refused": report.refused,
        "range_labelled": report.range_labelled,
        "overall": report.overall.as_ref().map(group),
        "by_predicted_group": groups(&report.by_predicted_group),
        "by_true_decade": groups(&report.by_true_decade),
        "gender": {
            "accuracy": bounded(gender.accuracy),
            "balanced_accuracy": gender.balanced_accuracy,
            "f1": gender.f1, "f1_male": gender.f1_male,
            "roc_area": gender.roc_area.map(|area| bounded(Some(area))),
            "female_as_female": gender.female_as_female, "female_as_male": gender.female_as_male,
            "male_as_male": gender.male_as_male, "male_as_female": gender.male_as_female,
            "roc": gender.roc.iter().map(|point| {
                json!([point.threshold, point.true_rate, point.false_rate])
            }).collect::<Vec<_>>(),
        },
        "slope": report.slope.map(|slope| bounded(Some(slope))),
        "intercept": report.intercept,
        "correlation": report.correlation.map(|found| bounded(Some(found))),
        "age_checks": report.age_checks.iter().map(age_check).collect::<Vec<_>>(),
        "gaps": report.gaps.iter().map(gap).collect::<Vec<_>>(),
        "comparison": report.comparison.as_ref().map(comparison),
        "divisions": report.divisions.iter().map(|division| {
            json!({"by": division.by, "groups": groups(&division.groups)})
        }).collect::<Vec<_>>(),
        "diagnostics": report.diagnostics.as_ref().map(diagnostics),
    })
}

fn diagnostics(found: &proto::Diagnostics) -> Value {
    let levels = |levels: &[proto::LevelCoverage]| levels.iter().map(level).collect::<Vec<_>>();
    let slab = found.worst_slab.as_ref().map(|slab| {
        json!({
            "direction": slab.direction, "n": slab.count, "coverage": bounded(slab.coverage),
        })
    });
    json!({
        "curve": levels(&found.curve), "by_width": levels(&found.by_width), "worst_slab": slab,
    })
}

fn level(level: &proto::LevelCoverage) -> Value {
    json!({
        "name": level.name, "level": level.level, "n": level.count,
        "coverage": bounded(level.coverage), "mean_width": level.mean_width,
    })
}

fn group(metrics: &proto::GroupMetrics) -> Value {
    json!({
        "group": metrics.name, "n": metrics.count, "mae": bounded(metrics.mae),
        "within_five": bounded(metrics.within_five), "bias": metrics.bias,
        "coverage": bounded(metrics.coverage),
        "mean_width": metrics.mean_width, "median_width": metrics.median_width,
        "median_error": metrics.median_error, "within_three": bounded(metrics.within_three),
        "within_ten": bounded(metrics.within_ten), "interval_score": metrics.interval_score,
    })
}

fn bounded(value: Option<proto::Bounded>) -> Value {
    let value = value.unwrap_or_default();
    json!({"value": value.value, "lower": value.lower, "upper": value.upper})
}

fn age_check(check: &proto::AgeCheckReport) -> Value {
    if !check.refusal.is_empty() {
        return json!({"age": check.age, "rate": check.false_pass_rate, "refusal": check.refusal});
    }
    json!({
        "age": check.age, "rate": check.false_pass_rate,
        "pass_above": check.pass_above, "fail_below": check.fail_below,
        "younger": check.younger, "older": check.older,
        "false_pass": bounded(check.false_pass), "false_fail": bounded(check.false_fail),
        "challenged": bounded(check.challenged),
        "years": check.years.iter().map(|year| json!({
            "year": year.year, "n": year.count,
            "passed": bounded(year.passed), "failed": bounded(year.failed),
        })).collect::<Vec<_>>(),
    })
}

fn gap(gap: &proto::Gap) -> Value {
    json!({
        "by": gap.by, "figure": gap.figure, "worst": gap.worst, "worst_value": gap.worst_value,
        "best": gap.best, "best_value": gap.best_value, "gap": bounded(gap.gap),
    })
}

fn comparison(found: &proto::Comparison) -> Value {
    json!({
        "model": found.model, "calibration": found.calibration, "n": found.count,
        "error": bounded(found.error), "coverage": bounded(found.coverage),
        "width": bounded(found.width), "interval_score": bounded(found.interval_score),
        "gender": bounded(found.gender),
    })
}
