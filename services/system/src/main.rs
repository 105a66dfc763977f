//! `agespan-system`: all services in one process, or some of them. `agespan` replaces itself by it
//! for the commands that run models, so that all others start without libtorch.
//!
//! * `arguments`: what can be typed, the part of `agespan` that is done here.
//! * `system`: services hosted in this process, for a while or to stay.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

mod arguments;
mod system;

use std::process::ExitCode;

use agespan::Local;
use agespan_jobs::PrivateRedis;
use anyhow::Result;
use clap::Parser;

use arguments::{Arguments, Command};
use system::System;

fn main() -> ExitCode {
    let Arguments { command, asked } = Arguments::parse();
    match command {
        Command::Up(up) => agespan_service::main(up.process.clone(), |platform| async move {
            system::assemble(&up.services, &platform, &up.estimator).await
        }),
        Command::Local(local) => agespan::complete(run(local, asked.json)),
    }
}

/// Runs a command with a system of its own. Two services suffice to ask about photos, and no job
/// store; to draw or to compare images, a passing job store as well.
async fn run(local: Local, json: bool) -> Result<ExitCode> {
    let data_dir = local.data_dir();
    // The Redis in it ends before it is removed.
    let scratch = tempfile::tempdir()?;
    let (system, _redis) = match &local {
        Local::Predict(_) | Local::Verify(_) => {
            (System::start(&system::PHOTOS, &data_dir, None, None).await?, None)
        }
        Local::Generate(_) => {
            // In a folder of its own, so that it runs beside a server on the same artifacts.
            let redis = PrivateRedis::start(&scratch.path().join("redis")).await?;
            let url = redis.url();
            (System::start(&system::FACES, &data_dir, Some(&url), None).await?, Some(redis))
        }
        Local::Evaluate(evaluate) => {
            // In a folder of its own for the same reason.
            let redis = PrivateRedis::start(&scratch.path().join("redis")).await?;
            let url = redis.url();
            let all = evaluate.needs_all();
            let services: &[_] = if all { &system::ALL } else { &system::IMAGES };
            (System::start(services, &data_dir, Some(&url), None).await?, Some(redis))
        }
        Local::Demo(demo) => {
            println!("Starting the five services and a private Redis in {}.", data_dir.display());
            let redis = PrivateRedis::start(&data_dir.join("redis")).await?;
            let url = redis.url();
            let weights = demo.first_weights.as_deref();
            (System::start(&system::ALL, &data_dir, Some(&url), weights).await?, Some(redis))
        }
    };
    let code = local.run(&system.client, json).await;
    system.stop().await;
    code
}
