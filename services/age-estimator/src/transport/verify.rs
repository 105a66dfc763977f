//! VerifyAge between the protocol's words and the domain's.

use agespan_conformal::{AgeCheckError, Coverage, Decision, Marks, Person};
use agespan_proto::estimator::v1 as proto;
use agespan_service::security::audit;
use agespan_service::status;
use tonic::{Code, Extensions, Status};

use super::{convert, faces, names};
use crate::faces::{Selection, Wanted};
use crate::{CheckError, PhotoEstimate, Session};

/// How many years around the age are told apart.
const YEARS: u32 = 10;

/// A check is of one person: of several, nobody could tell whose it is.
pub(super) fn wanted(selection: i32, refuse: &[i32]) -> Result<Wanted, Status> {
    let wanted = faces::wanted(selection, refuse)?;
    if wanted.faces == Selection::All {
        let message = "an age is checked for one person; ask for the largest face";
        return Err(status::invalid("faces", "ONE_PERSON", message));
    }
    Ok(wanted)
}

/// What the marks say of the one face.
pub(super) fn answer(
    session: &Session,
    marks: &Marks,
    at_least: u32,
    photo: &PhotoEstimate,
) -> Result<proto::VerifyAgeResponse, Status> {
    let no_answer = || status::new(Code::Internal, "INTERNAL", "the photo has no estimate");
    let face = photo.faces.first().ok_or_else(no_answer)?;
    let found = face.found.as_ref();
    let people = session.calibration.as_ref().map(|active| active.document.people.as_slice());
    let (model, calibration) = names(session);
    Ok(proto::VerifyAgeResponse {
        decision: decision(marks, face.prediction.mean()).into(),
        r#box: Some(faces::bounds(face.place)),
        age: face.prediction.mean(),
        pass_above: marks.pass_above,
        fail_below: marks.fail_below,
        younger: convert::count(marks.younger),
        older: convert::count(marks.older),
        pass_rates: pass_rates(marks, people.unwrap_or_default(), at_least),
        model,
        calibration,
        detection_score: found.map(|found| found.score),
        landmarks: found.map(faces::landmarks),
        quality: found.map(faces::quality),
        faces_found: convert::count(photo.count),
    })
}

/// The decision for the audit log. Neither the photo nor what was estimated of it goes there.
pub(super) fn write_down(
    extensions: &Extensions,
    at_least: u32,
    rate: Coverage,
    answer: &proto::VerifyAgeResponse,
) {
    let outcome = answer.decision().as_str_name();
    audit::decision(
        extensions,
        &audit::Decision {
            model: &answer.model,
            calibration: &answer.calibration,
            at_least,
            false_pass_rate: rate.as_f64(),
            outcome: outcome.trim_start_matches("AGE_DECISION_"),
        },
    );
}

pub(super) fn check_error(error: CheckError) -> Status {
    let message = error.to_string();
    match error {
        CheckError::NotCalibrated(model) => status::precondition("NOT_CALIBRATED", &model, message),
        CheckError::Marks(AgeCheckError::Age(_)) => status::invalid("at_least", "AGE", message),
        CheckError::Marks(AgeCheckError::TooFew { .. }) => {
            status::precondition("TOO_FEW_PEOPLE", "calibration", message)
        }
    }
}

fn decision(marks: &Marks, predicted: f64) -> proto::AgeDecision {
    match marks.decide(predicted) {
        Decision::Pass => proto::AgeDecision::Pass,
        Decision::Fail => proto::AgeDecision::Fail,
        Decision::Challenge => proto::AgeDecision::Challenge,
    }
}

fn pass_rates(marks: &Marks, people: &[Person], age: u32) -> Vec<proto::PassRate> {
    let rates = marks.by_year(people, age.saturating_sub(YEARS), age + YEARS);
    let rate = |rate: agespan_conformal::YearRate| proto::PassRate {
        year: rate.year,
        people: convert::count(rate.people),
        passed: convert::count(rate.passed),
        lower: rate.bounds.0,
        upper: rate.bounds.1,
    };
    rates.into_iter().map(rate).collect()
}
