//! `agespan`: all services in one process, or some of them; and the command line client.
//!
//! * `arguments`: what can be typed.
//! * `system`: services hosted in this process.
//! * `commands`: one file a command.
//! * `show`: tables, numbers and progress bars.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

mod arguments;
mod commands;
mod show;
mod system;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // It starts the program anew, which only those who run a model should pay for.
    if arguments.runs_a_model() {
        agespan_models::threads::wait_passively();
    }
    if let Command::Up(up) = arguments.command {
        return agespan_service::main(up.process.clone(), |platform| async move {
            system::assemble(&up.services, &platform, &up.estimator).await
        });
    }
    let ran = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(commands::run(arguments)));
    match ran {
        Ok(code) => code,
        Err(error) => {
            show::error(&error);
            ExitCode::FAILURE
        }
    }
}
