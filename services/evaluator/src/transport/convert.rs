//! Between the protocol's words and the domain's.

use agespan_proto::age::v1::Gender;
use agespan_proto::evaluator::v1 as proto;
use agespan_service::status;
use agespan_service::transport::timestamp;
use tonic::Status;

use crate::diagnostics::{Diagnostics, LevelCoverage, WorstSlab};
use crate::metrics::{
    self, AgeCheck, Bounded, Comparison, Division, Gap, Group, RocPoint, Row, Year,
};
use crate::reports::{AnyReport, Record, Report, ReportError};

use super::{cross_check, images};

/// Of some two hundred bytes each.
const ROWS_OF_A_MESSAGE: usize = 1000;

pub(super) fn report(record: &Record, report: AnyReport) -> proto::Report {
    let mut told = proto::Report {
        name: format!("reports/{}", record.id),
        create_time: Some(timestamp(record.created)),
        ..Default::default()
    };
    match report {
        AnyReport::Estimator(report) => told.estimator = Some(estimator(*report)),
        AnyReport::Images(report) => told.images = Some(images::report(*report)),
        AnyReport::CrossCheck(report) => told.cross_check = Some(cross_check::report(*report)),
    }
    told
}

fn estimator(report: Report) -> proto::EstimatorReport {
    let groups = |groups: Vec<Group>| groups.into_iter().map(group).collect();
    proto::EstimatorReport {
        dataset: report.dataset,
        split_hash: report.split_hash,
        model: report.model,
        calibration: report.calibration,
        coverage: report.coverage,
        overall: Some(group(report.metrics.overall)),
        by_predicted_group: groups(report.metrics.by_predicted_group),
        by_true_decade: groups(report.metrics.by_true_decade),
        gender: Some(gender(report.metrics.gender)),
        refused: count(report.refused),
        range_labelled: count(report.range_labelled),
        divisions: report.metrics.divisions.into_iter().map(division).collect(),
        diagnostics: report.diagnostics.map(diagnostics),
        slope: report.metrics.line.map(|line| bounded(line.slope)),
        intercept: report.metrics.line.map(|line| line.intercept),
        correlation: report.metrics.line.map(|line| bounded(line.correlation)),
        age_checks: report.age_checks.into_iter().map(age_check).collect(),
        gaps: report.metrics.gaps.into_iter().map(gap).collect(),
        comparison: report.comparison.map(comparison),
    }
}

fn age_check(check: AgeCheck) -> proto::AgeCheckReport {
    let told = proto::AgeCheckReport {
        age: check.age,
        false_pass_rate: check.rate,
        refusal: check.refusal,
        ..Default::default()
    };
    let Some(found) = check.found else { return told };
    proto::AgeCheckReport {
        pass_above: found.pass_above,
        fail_below: found.fail_below,
        false_pass: Some(bounded(found.false_pass)),
        false_fail: Some(bounded(found.false_fail)),
        challenged: Some(bounded(found.challenged)),
        younger: count(found.younger),
        older: count(found.older),
        years: found.years.into_iter().map(year).collect(),
        ..told
    }
}

fn year(year: Year) -> proto::AgeCheckYear {
    proto::AgeCheckYear {
        year: year.year,
        count: count(year.count),
        passed: Some(bounded(year.passed)),
        failed: Some(bounded(year.failed)),
    }
}

fn gap(gap: Gap) -> proto::Gap {
    proto::Gap {
        by: gap.by,
        figure: gap.figure,
        worst: gap.worst,
        worst_value: gap.worst_value,
        best: gap.best,
        best_value: gap.best_value,
        gap: Some(bounded(gap.gap)),
    }
}

fn comparison(found: Comparison) -> proto::Comparison {
    proto::Comparison {
        model: found.model,
        calibration: found.calibration,
        count: count(found.count),
        error: Some(bounded(found.error)),
        coverage: Some(bounded(found.coverage)),
        width: Some(bounded(found.width)),
        interval_score: Some(bounded(found.interval_score)),
        gender: Some(bounded(found.gender)),
    }
}

/// The faces of a report, in batches.
pub(super) fn rows(rows: Vec<Row>) -> impl Iterator<Item = proto::StreamReportRowsResponse> {
    let mut rows = rows.into_iter().map(row);
    std::iter::from_fn(move || {
        let faces: Vec<_> = rows.by_ref().take(ROWS_OF_A_MESSAGE).collect();
        (!faces.is_empty()).then_some(proto::StreamReportRowsResponse { faces })
    })
}

fn row(row: Row) -> proto::EvaluatedFace {
    proto::EvaluatedFace {
        path: row.path,
        true_age: row.age,
        true_gender: row.female.map_or(Gender::Unspecified, gender_word).into(),
        race: row.race,
        age: row.estimate,
        lower: row.interval.0,
        upper: row.interval.1,
        group: row.group,
        gender: gender_word(row.answered_female).into(),
        probability_female: row.probability_female,
    }
}

pub(super) fn gender_word(female: bool) -> Gender {
    if female { Gender::Female } else { Gender::Male }
}

pub(super) fn division(division: Division) -> proto::Division {
    proto::Division { by: division.by, groups: division.groups.into_iter().map(group).collect() }
}

fn diagnostics(found: Diagnostics) -> proto::Diagnostics {
    proto::Diagnostics {
        curve: found.curve.into_iter().map(level).collect(),
        by_width: found.by_width.into_iter().map(level).collect(),
        worst_slab: found.worst_slab.map(worst_slab),
    }
}

fn level(level: LevelCoverage) -> proto::LevelCoverage {
    proto::LevelCoverage {
        name: level.name,
        level: level.level,
        count: count(level.count),
        coverage: Some(bounded(level.coverage)),
        mean_width: level.mean_width,
    }
}

fn worst_slab(slab: WorstSlab) -> proto::WorstSlab {
    proto::WorstSlab {
        direction: slab.direction,
        count: count(slab.count),
        coverage: Some(bounded(slab.coverage)),
    }
}

pub(super) fn group(group: Group) -> proto::GroupMetrics {
    proto::GroupMetrics {
        name: group.name,
        count: count(group.count),
        mae: Some(bounded(group.mae)),
        within_five: Some(bounded(group.within_five)),
        bias: group.bias,
        coverage: Some(bounded(group.coverage)),
        mean_width: group.mean_width,
        median_width: group.median_width,
        median_error: group.median_error,
        within_three: Some(bounded(group.within_three)),
        within_ten: Some(bounded(group.within_ten)),
        interval_score: group.interval_score,
    }
}

pub(super) fn gender(gender: metrics::Gender) -> proto::GenderMetrics {
    let roc = gender.roc.unwrap_or_default();
    proto::GenderMetrics {
        accuracy: Some(bounded(gender.accuracy)),
        balanced_accuracy: gender.balanced_accuracy,
        female_as_female: count(gender.female_as_female),
        female_as_male: count(gender.female_as_male),
        male_as_male: count(gender.male_as_male),
        male_as_female: count(gender.male_as_female),
        f1: gender.f1,
        f1_male: gender.f1_male,
        roc_area: (!roc.points.is_empty()).then(|| bounded(roc.area)),
        roc: roc.points.into_iter().map(roc_point).collect(),
    }
}

fn roc_point(point: RocPoint) -> proto::RocPoint {
    let RocPoint { threshold, true_rate, false_rate } = point;
    proto::RocPoint { threshold, true_rate, false_rate }
}

pub(super) fn bounded(bounded: Bounded) -> proto::Bounded {
    proto::Bounded { value: bounded.value, lower: bounded.lower, upper: bounded.upper }
}

pub(super) fn count(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn report_error(error: ReportError) -> Status {
    let message = error.to_string();
    match error {
        ReportError::NotFound(id) => status::not_found("report", &format!("reports/{id}"), message),
        ReportError::Storage(source) => status::from_storage(source),
        other => status::internal(&other),
    }
}
