//! The age-estimator as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Photos in, calibrated age intervals out.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    process: agespan_service::Config,
    #[command(flatten)]
    estimator: agespan_age_estimator::Config,
}

fn main() -> ExitCode {
    agespan_service::environment::begin_for_models();
    let Arguments { process, estimator } = Arguments::parse();
    agespan_service::main(process, |platform| async move {
        Ok(vec![agespan_age_estimator::assemble(&platform, &estimator).await?])
    })
}
