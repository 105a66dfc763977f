//! gRPC of what all services share.

mod job;

pub use job::{JobTransport, job_to_proto, timestamp};
