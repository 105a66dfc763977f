//! This process replaced by `agespan-system`, with the same arguments. The exit code, the streams
//! and signals are then its own.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Error;

const PROGRAM: &str = "agespan-system";
const WAIT_POLICY: &str = "OMP_WAIT_POLICY";

/// Comes back only with the reason why it did not work.
#[expect(clippy::disallowed_methods, reason = "libgomp is configured by environment alone")]
pub(crate) fn hand_over() -> Error {
    let here = match std::env::current_exe() {
        Ok(here) => here,
        Err(error) => return Error::new(error).context("this program cannot be found"),
    };
    let program = here.with_file_name(PROGRAM);
    let mut command = Command::new(&program);
    command.args(std::env::args_os().skip(1));
    // Threads of libgomp that spin while they wait would starve other processes, and it reads the
    // variable only when it is loaded.
    if std::env::var_os(WAIT_POLICY).is_none() {
        command.env(WAIT_POLICY, "PASSIVE");
    }
    let advice = format!("cannot start {}, which belongs beside agespan", program.display());
    Error::new(command.exec()).context(advice)
}
