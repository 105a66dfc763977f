//! Ours against the figures of the reference implementations. The scripts beside the figures made
//! them and name the versions that they come from.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod conformal;
mod mobilenet_v1;
mod mobilenet_v2;
mod mtcnn;
