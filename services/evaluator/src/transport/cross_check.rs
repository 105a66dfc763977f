//! Cross-checks between the protocol's words and the domain's.

use agespan_proto::evaluator::v1 as proto;
use agespan_proto::generator::v1::FaceAttributes;
use agespan_service::{status, transport};
use tonic::Status;

use super::convert::{bounded, count, division, gender, gender_word, group};
use crate::cross_check::{CrossCheck, Row, Second, Shifted, answer};
use crate::cross_check_worker::Asked;

/// What a caller asks for.
pub(super) fn asked(request: &proto::CrossCheckGeneratedRequest) -> Result<Asked, Status> {
    status::resource_id("generated", "jobs", &request.generated)?;
    for (field, collection, name) in [
        ("model", "models", &request.model),
        ("dataset", "datasets", &request.dataset),
        ("second_model", "models", &request.second_model),
    ] {
        if !name.is_empty() {
            status::resource_id(field, collection, name)?;
        }
    }
    let coverage = transport::coverage(request.coverage)?;
    Ok(Asked {
        generated: request.generated.clone(),
        model: request.model.clone(),
        coverage: coverage.as_f64(),
        dataset: request.dataset.clone(),
        second_model: request.second_model.clone(),
    })
}

pub(super) fn report(found: CrossCheck) -> proto::CrossCheckReport {
    let answer = answer(&found);
    let agreement = found.agreement;
    proto::CrossCheckReport {
        generated: found.generated,
        pipeline: found.pipeline,
        second: found.second.map(second),
        model: found.model,
        calibration: found.calibration,
        coverage: found.coverage,
        refused: count(found.refused),
        slope: Some(bounded(found.line.slope)),
        intercept: found.line.intercept,
        correlation: Some(bounded(found.line.correlation)),
        overall: Some(group(agreement.overall)),
        by_prompted_decade: agreement.by_true_decade.into_iter().map(group).collect(),
        divisions: agreement.divisions.into_iter().map(division).collect(),
        gender: Some(gender(agreement.gender)),
        shifted: found.shifted.map(shifted),
        answer,
        rows: found.rows.into_iter().map(row).collect(),
    }
}

fn shifted(shifted: Shifted) -> proto::ShiftedAgreement {
    proto::ShiftedAgreement {
        inside: Some(bounded(shifted.inside)),
        mean_width: shifted.mean_width,
        effective_sample_size: shifted.effective_sample_size,
    }
}

fn second(found: Second) -> proto::SecondPredictor {
    proto::SecondPredictor {
        model: found.model,
        calibration: found.calibration,
        slope: Some(bounded(found.line.slope)),
        correlation: Some(bounded(found.line.correlation)),
        overall: Some(group(found.overall)),
        gender: Some(gender(found.gender)),
        apart: Some(bounded(found.apart)),
    }
}

fn row(row: Row) -> proto::CrossCheckRow {
    proto::CrossCheckRow {
        index: row.index,
        seed: row.seed,
        prompted: Some(FaceAttributes {
            age: row.age,
            gender: gender_word(row.female).into(),
            race: row.race,
        }),
        age: row.estimate,
        lower: row.interval.0,
        upper: row.interval.1,
        shifted_lower: row.shifted.map(|(lower, _)| lower),
        shifted_upper: row.shifted.map(|(_, upper)| upper),
        group: row.group,
        gender: gender_word(row.answered_female).into(),
        probability_female: row.probability_female,
        faces: row.faces,
        second_age: row.second.map(|second| second.estimate),
        second_lower: row.second.map(|second| second.interval.0),
        second_upper: row.second.map(|second| second.interval.1),
    }
}
