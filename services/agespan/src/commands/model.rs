//! `agespan model`.

use std::fs;
use std::path::Path;

use agespan_client::proto::estimator::v1 as proto;
use anyhow::{Context, Result};
use serde_json::json;

use crate::arguments::Model;
use crate::commands::{Session, resource};
use crate::show;

/// Runs one of the commands about models.
pub(crate) async fn run(session: &Session, command: Model) -> Result<()> {
    match command {
        Model::List => list(session).await,
        Model::Show { name, out } => {
            if let Some(folder) = &out {
                write_training(session, &name, folder).await?;
            }
            show(session, &name).await
        }
        Model::Activate { name } => activate(session, &name).await,
    }
}

async fn list(session: &Session) -> Result<()> {
    let mut models = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListModelsRequest { page_size: 0, page_token };
        let answer = session.client.estimator().list_models(request).await?.into_inner();
        models.extend(answer.models);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    print(session, models);
    Ok(())
}

/// Shows one model.
pub(crate) async fn show(session: &Session, name: &str) -> Result<()> {
    let request = proto::GetModelRequest { name: resource("models", name) };
    let answer = session.client.estimator().get_model(request).await?.into_inner();
    print(session, answer.model);
    Ok(())
}

/// Writes how a model was trained: training.html, training.json, and a file for TensorBoard.
pub(crate) async fn write_training(session: &Session, name: &str, folder: &Path) -> Result<()> {
    let name = resource("models", name);
    let request =
        proto::GetTrainingRequest { name: name.clone(), include_html: true, include_events: true };
    let training = session.client.estimator().get_training(request).await?.into_inner();
    let epoch = |epoch: &proto::TrainingEpoch| {
        json!({
            "loss": epoch.loss, "validation_mae": epoch.validation_mae,
            "validation_within_five": epoch.validation_within_five,
            "validation_gender_accuracy": epoch.validation_gender_accuracy,
        })
    };
    let epochs: Vec<_> = training.epochs.iter().map(epoch).collect();
    let json = serde_json::to_vec_pretty(&json!({"model": name, "epochs": epochs}))?;
    let cannot = || format!("cannot write to {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    fs::write(folder.join("training.html"), training.html).with_context(cannot)?;
    fs::write(folder.join("training.json"), json).with_context(cannot)?;
    if !training.events.is_empty() {
        fs::write(folder.join("events.out.tfevents"), training.events).with_context(cannot)?;
    }
    Ok(())
}

/// Makes a model the one that answers, and shows it.
pub(crate) async fn activate(session: &Session, name: &str) -> Result<()> {
    let request = proto::ActivateModelRequest { name: resource("models", name) };
    let answer = session.client.estimator().activate_model(request).await?.into_inner();
    print(session, answer.model);
    Ok(())
}

fn print(session: &Session, models: impl IntoIterator<Item = proto::Model>) {
    let mut table =
        show::table(&["model", "active", "validation MAE", "gender", "input", "trained on"]);
    for model in models {
        if session.json {
            println!(
                "{}",
                json!({
                    "name": model.name, "active": model.active, "shipped": model.shipped,
                    "weights_hash": model.weights_hash, "age_bins": model.age_bins,
                    "input_size": model.input_size, "gender_threshold": model.gender_threshold,
                    "validation_mae": model.validation_mae,
                    "validation_gender_accuracy": model.validation_gender_accuracy,
                    "dataset": model.dataset, "dataset_hash": model.dataset_hash,
                })
            );
        } else {
            table.add_row(vec![
                model.name,
                if model.active { "yes" } else { "" }.to_owned(),
                format!("{:.2} years", model.validation_mae),
                show::percent(model.validation_gender_accuracy),
                format!("{0}x{0}", model.input_size),
                model.dataset,
            ]);
        }
    }
    if !session.json {
        println!("{table}");
    }
}
