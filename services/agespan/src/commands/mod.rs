//! One file a command.

mod calibrate;
mod calibration;
mod dataset;
mod demo;
mod evaluate;
pub(crate) mod faces;
mod job;
mod model;
mod photos;
mod predict;
mod predictions;
mod scores;
mod train;
mod verify;

use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::job::v1::Job;
use anyhow::Result;

use crate::arguments::{Arguments, Command};
use crate::show::JobBar;

/// Where a system is looked for when no server is named.
const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";

/// What every command that speaks to a system is given.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) json: bool,
}

impl Session {
    /// Follows a job to its end behind a progress bar, and gives its result.
    pub(crate) async fn follow(&self, title: &str, job: Option<Job>) -> Result<String> {
        let name = job.unwrap_or_default().name;
        let bar = JobBar::new(title);
        let result = self.client.follow(&name, |job| bar.show(job)).await;
        bar.finish();
        Ok(result?)
    }
}

/// Runs a command to its exit code.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { command, server, json } = arguments;
    let session = || {
        let url = server.as_deref().unwrap_or(DEFAULT_SERVER);
        Ok::<_, anyhow::Error>(Session { client: Client::new(url)?, json })
    };
    match command {
        Command::Predict(predict) => return predict::run(predict, server.as_deref(), json).await,
        Command::Verify(verify) => return verify::run(verify, server.as_deref(), json).await,
        Command::Dataset(dataset) => dataset::run(&session()?, dataset).await?,
        Command::Train(train) => train::run(&session()?, &train).await?,
        Command::Model(model) => model::run(&session()?, model).await?,
        Command::Calibrate(calibrate) => calibrate::run(&session()?, &calibrate).await?,
        Command::Calibration(command) => calibration::run(&session()?, command).await?,
        Command::Evaluate(evaluate) => evaluate::run(&session()?, evaluate).await?,
        Command::Job(job) => job::run(&session()?, job).await?,
        Command::Demo(demo) => return demo::run(demo).await,
        // It has its own way of starting; `main` took it.
        Command::Up(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// A resource name, whether or not it was typed with its collection.
pub(crate) fn resource(collection: &str, name: &str) -> String {
    if name.starts_with(&format!("{collection}/")) {
        name.to_owned()
    } else {
        format!("{collection}/{name}")
    }
}
