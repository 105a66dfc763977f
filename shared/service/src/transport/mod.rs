//! gRPC of what all services share.

mod age;
mod calibration;
mod gather;
mod job;
mod peer;

pub use age::{coverage, false_pass_rate, interval_to_proto};
pub use calibration::{grouping_to_proto, prediction_from_proto, score_to_proto};
pub use gather::{Gathered, gather};
pub use job::{JobTransport, job_to_proto, submit, timestamp};
pub use peer::peer_failure;
