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
    models: agespan_service::ModelConfig,
}

fn main() -> ExitCode {
    agespan_service::environment::begin_for_models();
    let Arguments { process, models } = Arguments::parse();
    agespan_service::main(process, |platform| async move {
        Ok(vec![agespan_evaluator::assemble(&platform, &models)])
    })
}
