//! A running system among callers that send garbage, dawdle, or never read; and weights and
//! pipelines from strangers.
//!
//! What a decoder makes of damaged images and archives is tested where they are decoded, in
//! `shared/imaging/tests/generated`. How long things take is printed, not asserted.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(clippy::print_stdout, reason = "a run says what came of it")]

mod garbage;
mod pipelines;
mod raw;
mod rude;
mod weights;
