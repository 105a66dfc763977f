//! `agespan pipeline`.

use std::path::Path;

use agespan_client::Client;
use agespan_client::proto::generator::v1 as proto;
use anyhow::{Context, Result};
use serde_json::json;

use crate::arguments::Pipeline;
use crate::commands::{Session, resource};
use crate::show;

/// Runs one of the commands about pipelines.
pub(crate) async fn run(session: &Session, command: Pipeline) -> Result<()> {
    let pipelines = match command {
        Pipeline::List => list(&session.client).await?,
        Pipeline::Show { name } => return show(session, &resource("pipelines", &name)).await,
        Pipeline::Add { directory } => vec![add(&session.client, &directory).await?],
    };
    print(session, pipelines);
    Ok(())
}

/// Prints a pipeline.
pub(crate) async fn show(session: &Session, name: &str) -> Result<()> {
    let request = proto::GetPipelineRequest { name: name.to_owned() };
    let answer = session.client.generator().get_pipeline(request).await?.into_inner();
    print(session, answer.pipeline.into_iter().collect());
    Ok(())
}

/// Takes in a diffusers directory.
pub(crate) async fn add(client: &Client, directory: &Path) -> Result<proto::Pipeline> {
    // The server may have another working directory.
    let source = directory
        .canonicalize()
        .with_context(|| format!("cannot find {}", directory.display()))?
        .display()
        .to_string();
    let request = proto::AddPipelineRequest { source };
    let answer = client.generator().add_pipeline(request).await?.into_inner();
    Ok(answer.pipeline.unwrap_or_default())
}

async fn list(client: &Client) -> Result<Vec<proto::Pipeline>> {
    let mut pipelines = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListPipelinesRequest { page_size: 0, page_token };
        let answer = client.generator().list_pipelines(request).await?.into_inner();
        pipelines.extend(answer.pipelines);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(pipelines);
        }
    }
}

fn scheduler(pipeline: &proto::Pipeline) -> String {
    pipeline.scheduler().as_str_name().trim_start_matches("SCHEDULER_").to_lowercase()
}

fn print(session: &Session, pipelines: Vec<proto::Pipeline>) {
    let mut table =
        show::table(&["pipeline", "images", "sizes", "scheduler", "megabytes", "safety checker"]);
    for pipeline in pipelines {
        let scheduler = scheduler(&pipeline);
        if session.json {
            println!(
                "{}",
                json!({
                    "name": pipeline.name, "content_hash": pipeline.content_hash,
                    "image_size": pipeline.image_size, "size_factor": pipeline.size_factor,
                    "latent_channels": pipeline.latent_channels, "scheduler": scheduler,
                    "base": pipeline.base, "has_safety_checker": pipeline.has_safety_checker,
                    "size_bytes": pipeline.size_bytes,
                })
            );
        } else {
            let checker = if pipeline.has_safety_checker { "yes" } else { "none" };
            table.add_row(vec![
                pipeline.name,
                format!("{0}x{0}", pipeline.image_size),
                format!("multiples of {}", pipeline.size_factor),
                scheduler,
                format!("{:.1}", pipeline.size_bytes as f64 / 1e6),
                checker.to_owned(),
            ]);
        }
    }
    if !session.json {
        println!("{table}");
    }
}
