//! This process replaced by `agespan-system`, with the same arguments. The exit code, the streams
//! and signals are then its own.

use std::os::unix::process::CommandExt;
use std::process::Command;

use agespan_service::environment;
use anyhow::Error;

const PROGRAM: &str = "agespan-system";

/// Comes back only with the reason why it did not work.
pub(crate) fn hand_over() -> Error {
    let here = match std::env::current_exe() {
        Ok(here) => here,
        Err(error) => return Error::new(error).context("this program cannot be found"),
    };
    let program = here.with_file_name(PROGRAM);
    let mut command = Command::new(&program);
    command.args(std::env::args_os().skip(1));
    environment::for_models(&mut command);
    let advice = format!("cannot start {}, which belongs beside agespan", program.display());
    Error::new(command.exec()).context(advice)
}
