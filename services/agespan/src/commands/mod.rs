//! One file a command.

mod calibrate;
mod calibration;
mod dataset;
pub(crate) mod demo;
mod evaluate;
pub(crate) mod faces;
mod finetune;
pub(crate) mod generate;
mod generated;
pub(crate) mod images;
mod job;
mod model;
pub(crate) mod photos;
mod pipeline;
mod predict;
pub(crate) mod predictions;
mod scores;
mod token;
mod train;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::job::v1::Job;
use anyhow::Result;

use crate::arguments::{Arguments, Command, Local};
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
    let Arguments { command, asked } = arguments;
    let session = || {
        let url = asked.server.as_deref().unwrap_or(DEFAULT_SERVER);
        let client = Client::with(url, &asked.access.credentials())?;
        Ok::<_, anyhow::Error>(Session { client, json: asked.json })
    };
    match command {
        Command::Local(local) => return local.run(&session()?.client, asked.json).await,
        Command::Dataset(dataset) => dataset::run(&session()?, dataset).await?,
        Command::Train(train) => train::run(&session()?, &train).await?,
        Command::Finetune(asked) => finetune::run(&session()?, &asked).await?,
        Command::Model(model) => model::run(&session()?, model).await?,
        Command::Calibrate(calibrate) => calibrate::run(&session()?, &calibrate).await?,
        Command::Calibration(command) => calibration::run(&session()?, command).await?,
        Command::Pipeline(command) => pipeline::run(&session()?, command).await?,
        Command::Job(job) => job::run(&session()?, job).await?,
        Command::Token(command) => token::run(&command, asked.json)?,
        // `main` handed it over.
        Command::Up(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

impl Local {
    /// Where a system of this command's own keeps what it needs.
    pub fn data_dir(&self) -> PathBuf {
        match self {
            Self::Predict(predict) => predict.data_dir.clone(),
            Self::Verify(verify) => verify.data_dir.clone(),
            Self::Generate(generate) => generate.data_dir.clone(),
            // The others need a server.
            Self::Evaluate(evaluate) => evaluate.data_dir().map(Path::to_owned).unwrap_or_default(),
            Self::Demo(demo) => demo::data_dir(demo),
        }
    }

    /// Runs the command on a system.
    ///
    /// # Errors
    /// Whatever keeps it from beginning. A photo that cannot be used is an exit code.
    pub async fn run(&self, client: &Client, json: bool) -> Result<ExitCode> {
        match self {
            Self::Predict(predict) => predict::run(client, predict, json).await,
            Self::Verify(verify) => verify::run(client, verify, json).await,
            Self::Generate(generate) => generate::run(client, generate, json).await,
            Self::Evaluate(evaluate) => {
                let session = Session { client: client.clone(), json };
                evaluate::run(&session, evaluate).await.map(|()| ExitCode::SUCCESS)
            }
            Self::Demo(demo) => demo::run(client, demo).await,
        }
    }
}

/// A resource name, whether or not it was typed with its collection.
pub(crate) fn resource(collection: &str, name: &str) -> String {
    if name.starts_with(&format!("{collection}/")) {
        name.to_owned()
    } else {
        format!("{collection}/{name}")
    }
}
