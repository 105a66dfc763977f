//! The command line. It speaks to a system; what runs models is left to `agespan-system`, which
//! links libtorch and lies beside it.
//!
//! * `arguments`: what can be typed.
//! * `commands`: one file a command.
//! * `handover`: this process replaced by `agespan-system`.
//! * `pipe`: readers that have seen enough.
//! * `show`: tables, numbers and progress bars.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

mod arguments;
mod commands;
mod handover;
mod pipe;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

pub use arguments::{Asked, Demo, Evaluate, Generate, Local, Predict, Verify};

/// What `calibrate --predictions` does with files of anybody's predictions.
pub mod predictions {
    pub use crate::commands::predictions::{apply, fit};
}

/// The `main` of `agespan`.
pub fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    if arguments.runs_a_model() {
        let refused = arguments.check().err();
        show::error(&refused.unwrap_or_else(handover::hand_over));
        return ExitCode::FAILURE;
    }
    complete(commands::run(arguments))
}

/// Runs a command to its exit code, with one clear line when it fails.
pub fn complete(command: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    pipe::until_closed(|| {
        let ran = tokio::runtime::Runtime::new()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(command));
        ran.unwrap_or_else(|error| {
            show::error(&error);
            ExitCode::FAILURE
        })
    })
}
