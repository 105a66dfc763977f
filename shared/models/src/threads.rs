//! How many threads libtorch takes, and how they wait.
//!
//! libgomp's threads spin while they wait for work. Two libtorch processes on the same cores then
//! starve each other (a forward pass was seen to fall fifty-fold), so a process that runs models
//! starts itself once more with passive waiting; libgomp reads the variable only when it is loaded.

use std::os::unix::process::CommandExt;
use std::process::Command;

const WAIT_POLICY: &str = "OMP_WAIT_POLICY";

/// Replaces the process by itself with `OMP_WAIT_POLICY=PASSIVE`, unless the variable is set.
/// Call it first in `main`. When the replacement fails the process goes on as it is: slower under
/// contention, not wrong.
#[expect(clippy::disallowed_methods, reason = "libgomp is configured by environment alone")]
pub fn wait_passively() {
    if std::env::var_os(WAIT_POLICY).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let _ = Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(WAIT_POLICY, "PASSIVE")
            .exec();
    }
}

/// Sets the number of threads of one operation, for the whole process.
pub fn set_count(threads: usize) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(1));
}
