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
    generator: agespan_diffusion_generator::Config,
}

fn main() -> ExitCode {
    agespan_service::environment::begin_for_models();
    let Arguments { process, generator } = Arguments::parse();
    agespan_service::main(process, |platform| async move {
        Ok(vec![agespan_diffusion_generator::assemble(&platform, &generator).await?])
    })
}
