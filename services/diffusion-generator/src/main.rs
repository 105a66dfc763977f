//! The diffusion-generator as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Draws synthetic faces of asked-for attributes.
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
        Ok(vec![agespan_diffusion_generator::assemble(&platform, &models).await?])
    })
}
