//! The evaluator as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Measures the other services.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    process: agespan_service::Config,
    #[command(flatten)]
    evaluator: agespan_evaluator::Config,
}

fn main() -> ExitCode {
    agespan_service::environment::begin_for_models();
    let Arguments { process, evaluator } = Arguments::parse();
    agespan_service::main(process, |platform| async move {
        Ok(vec![agespan_evaluator::assemble(&platform, &evaluator)?])
    })
}
