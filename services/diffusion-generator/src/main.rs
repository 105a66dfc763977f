//! The diffusion-generator as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Will draw synthetic faces; answers UNIMPLEMENTED until then.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    process: agespan_service::Config,
}

fn main() -> ExitCode {
    agespan_service::main(Arguments::parse().process, |platform| async move {
        Ok(vec![agespan_diffusion_generator::assemble(&platform)])
    })
}
