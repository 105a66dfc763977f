//! VerifyAge between the protocol's words and the domain's.

use agespan_conformal::{AgeCheckError, Coverage, Decision, Marks, Person};
use agespan_proto::estimator::v1 as proto;
use agespan_service::status;
use tonic::Status;

use crate::CheckError;

/// One in a hundred.
const DEFAULT_RATE: f64 = 0.01;
/// How many years around the age are told apart.
const YEARS: u32 = 10;

pub(super) fn rate(asked: Option<f64>) -> Result<Coverage, Status> {
    Coverage::new(asked.unwrap_or(DEFAULT_RATE)).map_err(|_| {
        status::invalid("false_pass_rate", "RATE", "must lie strictly between 0 and 1")
    })
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

pub(super) fn decision(marks: &Marks, predicted: f64) -> proto::AgeDecision {
    match marks.decide(predicted) {
        Decision::Pass => proto::AgeDecision::Pass,
        Decision::Fail => proto::AgeDecision::Fail,
        Decision::Challenge => proto::AgeDecision::Challenge,
    }
}

pub(super) fn pass_rates(marks: &Marks, people: &[Person], age: u32) -> Vec<proto::PassRate> {
    let rates = marks.by_year(people, age.saturating_sub(YEARS), age + YEARS);
    let rate = |rate: agespan_conformal::YearRate| proto::PassRate {
        year: rate.year,
        people: u32::try_from(rate.people).unwrap_or(u32::MAX),
        passed: u32::try_from(rate.passed).unwrap_or(u32::MAX),
        lower: rate.bounds.0,
        upper: rate.bounds.1,
    };
    rates.into_iter().map(rate).collect()
}
