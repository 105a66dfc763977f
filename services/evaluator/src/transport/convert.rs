//! Between the protocol's words and the domain's.

use agespan_proto::evaluator::v1 as proto;
use agespan_service::status;
use agespan_service::transport::timestamp;
use tonic::Status;

use crate::diagnostics::{Diagnostics, LevelCoverage, WorstSlab};
use crate::metrics::{Bounded, Division, Gender, Group};
use crate::reports::{AnyReport, Record, Report, ReportError};

use super::{cross_check, images};

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
    }
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
    }
}

pub(super) fn gender(gender: Gender) -> proto::GenderMetrics {
    proto::GenderMetrics {
        accuracy: Some(bounded(gender.accuracy)),
        balanced_accuracy: gender.balanced_accuracy,
        female_as_female: count(gender.female_as_female),
        female_as_male: count(gender.female_as_male),
        male_as_male: count(gender.male_as_male),
        male_as_female: count(gender.male_as_female),
    }
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
