//! `agespan dataset`.

mod clusters;
mod export;
mod import;
mod page;
mod parquet;
mod report;
mod stats;
mod webdataset;

use std::collections::BTreeMap;

use agespan_client::proto::dataset::v1 as proto;
use anyhow::Result;
use serde_json::json;

pub(crate) use import::import;

use crate::arguments::Dataset;
use crate::commands::{Session, evaluate, resource};
use crate::show;

/// Runs one of the commands about data sets.
pub(crate) async fn run(session: &Session, command: Dataset) -> Result<()> {
    match command {
        Dataset::Import(command) => {
            let result = import::with(session, command).await?;
            show_one(session, &result).await
        }
        Dataset::List => list(session).await,
        Dataset::Show { name } => show_one(session, &name).await,
        Dataset::Stats { name } => stats::run(session, &name).await,
        Dataset::Clusters { name } => clusters::run(session, &name).await,
        Dataset::Report { name, out, faces } => report::run(session, &name, &out, faces).await,
        Dataset::Export { name, split, format, out } => {
            export::run(session, &name, evaluate::to_proto(split), format, &out).await
        }
    }
}

async fn list(session: &Session) -> Result<()> {
    let mut table = show::table(&["data set", "faces", "quarantined", "content"]);
    let mut page_token = String::new();
    loop {
        let request = proto::ListDatasetsRequest { page_size: 0, page_token };
        let answer = session.client.datasets().list_datasets(request).await?.into_inner();
        for dataset in answer.datasets {
            if session.json {
                println!("{}", to_json(&dataset));
            } else {
                let hash = dataset.content_hash.chars().take(16).collect();
                let counts = [dataset.sample_count, dataset.quarantined_count];
                let [faces, quarantined] = counts.map(|count| count.to_string());
                table.add_row(vec![dataset.name, faces, quarantined, hash]);
            }
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if !session.json {
        println!("{table}");
    }
    Ok(())
}

async fn show_one(session: &Session, name: &str) -> Result<()> {
    let request = proto::GetDatasetRequest { name: resource("datasets", name) };
    let answer = session.client.datasets().get_dataset(request).await?.into_inner();
    let dataset = answer.dataset.unwrap_or_default();
    if session.json {
        println!("{}", to_json(&dataset));
        return Ok(());
    }
    let mut table = show::table(&["split", "faces", "content"]);
    for split in &dataset.splits {
        let hash = split.content_hash.chars().take(16).collect();
        table.add_row(vec![word(split.split()).to_owned(), split.sample_count.to_string(), hash]);
    }
    println!("{table}");
    println!(
        "{}: {} faces, {} files quarantined",
        dataset.name, dataset.sample_count, dataset.quarantined_count
    );
    Ok(())
}

fn word(split: proto::Split) -> &'static str {
    match split {
        proto::Split::Unspecified => "unknown",
        proto::Split::Train => "train",
        proto::Split::Validation => "validation",
        proto::Split::Calibration => "calibration",
        proto::Split::Test => "test",
    }
}

fn to_json(dataset: &proto::Dataset) -> serde_json::Value {
    let splits: BTreeMap<_, _> =
        dataset.splits.iter().map(|split| (word(split.split()), split.sample_count)).collect();
    json!({
        "name": dataset.name,
        "content_hash": dataset.content_hash,
        "sample_count": dataset.sample_count,
        "quarantined_count": dataset.quarantined_count,
        "splits": splits,
        "seed": dataset.seed,
        "manifest_path": dataset.manifest_path,
    })
}
