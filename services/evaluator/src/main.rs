//! The evaluator as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Measures the other services.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    process: agespan_service::Config,
}

fn main() -> ExitCode {
    agespan_service::main(Arguments::parse().process, |platform| async move {
        Ok(vec![agespan_evaluator::assemble(&platform)?])
    })
}
