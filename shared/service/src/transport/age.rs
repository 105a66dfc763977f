//! What several services say about an age.

use agespan_conformal::{Coverage, Interval};
use agespan_proto::age::v1::{AgeInterval, IntervalStatus};
use tonic::Status;

use crate::status;

/// The coverage that a request asks for, 0.9 when it says nothing.
pub fn coverage(asked: Option<f64>) -> Result<Coverage, Status> {
    match asked {
        None => Ok(Coverage::DEFAULT),
        Some(level) => Coverage::new(level)
            .map_err(|error| status::invalid("coverage", "COVERAGE", error.to_string())),
    }
}

/// The rate of wrong passes that a request asks for, one in a hundred when it says nothing.
pub fn false_pass_rate(asked: Option<f64>) -> Result<Coverage, Status> {
    Coverage::new(asked.unwrap_or(0.01)).map_err(|_| {
        status::invalid("false_pass_rate", "RATE", "must lie strictly between 0 and 1")
    })
}

/// An interval as the protocol has it.
pub fn interval_to_proto(interval: Interval) -> AgeInterval {
    let status = if interval.sufficient {
        IntervalStatus::Calibrated
    } else {
        IntervalStatus::InsufficientCalibration
    };
    AgeInterval {
        lower: interval.lower,
        upper: interval.upper,
        coverage: interval.coverage.as_f64(),
        group: interval.group,
        group_size: u32::try_from(interval.group_size).unwrap_or(u32::MAX),
        status: status.into(),
    }
}
