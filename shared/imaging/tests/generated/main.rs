//! Tens of thousands of damaged and hostile files, generated from seeds: none of them may end the
//! process, none may take more memory than the limits allow, and each is answered by a reason.
//!
//! How long things take is printed, not asserted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(clippy::print_stdout, reason = "a run says what came of it")]

mod archives;
mod bombs;
mod files;
mod images;
mod memory;
mod tally;
