//! `agespan dataset`.

use std::collections::BTreeMap;
use std::path::Path;

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::dataset::v1 as proto;
use anyhow::{Context, Result};
use serde_json::json;

use crate::arguments::Dataset;
use crate::commands::{Session, resource};
use crate::show;

/// Runs one of the commands about data sets.
pub(crate) async fn run(session: &Session, command: Dataset) -> Result<()> {
    match command {
        Dataset::Import { source, name, seed } => {
            let result = import(session, &source, &name, seed).await?;
            show_one(session, &result).await
        }
        Dataset::List => list(session).await,
        Dataset::Show { name } => show_one(session, &name).await,
        Dataset::Stats { name } => stats(session, &name).await,
    }
}

/// Imports an archive or folder and gives the data set's name.
pub(crate) async fn import(
    session: &Session,
    source: &Path,
    name: &str,
    seed: u64,
) -> Result<String> {
    // The server may have another working directory.
    let source = source
        .canonicalize()
        .with_context(|| format!("cannot find {}", source.display()))?
        .display()
        .to_string();
    let request = proto::ImportDatasetRequest {
        dataset_id: name.to_owned(),
        source,
        format: proto::Format::Utkface.into(),
        seed,
        request_id: String::new(),
    };
    let answer = session.client.datasets().import_dataset(request).await?.into_inner();
    session.follow("importing", answer.job).await
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

async fn stats(session: &Session, name: &str) -> Result<()> {
    let request = proto::GetDatasetStatisticsRequest { name: resource("datasets", name) };
    let answer = session.client.datasets().get_dataset_statistics(request).await?.into_inner();
    if session.json {
        for cell in &answer.cells {
            println!(
                "{}",
                json!({
                    "decade": cell.decade, "gender": cell.gender().as_str_name(),
                    "race": cell.race, "split": word(cell.split()), "count": cell.count,
                })
            );
        }
        for reason in &answer.quarantined {
            println!("{}", json!({"quarantined": reason.reason, "count": reason.count}));
        }
        return Ok(());
    }
    println!("{}", by_decade(&answer.cells));
    let mut table = show::table(&["quarantined because", "files"]);
    for reason in answer.quarantined {
        table.add_row(vec![reason.reason, reason.count.to_string()]);
    }
    println!("{table}");
    Ok(())
}

/// Decades down; genders, races and a bar across.
fn by_decade(cells: &[proto::StatisticsCell]) -> comfy_table::Table {
    const BAR: u64 = 30;
    let mut races: Vec<&str> = cells.iter().map(|cell| cell.race.as_str()).collect();
    races.sort_unstable();
    races.dedup();
    let columns = ["decade", "faces", "female", "male"].into_iter().chain(races.iter().copied());
    let mut table = show::table(&columns.chain([""]).collect::<Vec<_>>());
    let count = |keep: &dyn Fn(&proto::StatisticsCell) -> bool| -> u64 {
        cells.iter().filter(|cell| keep(cell)).map(|cell| cell.count).sum()
    };
    let mut decades: Vec<u32> = cells.iter().map(|cell| cell.decade).collect();
    decades.sort_unstable();
    decades.dedup();
    let of_decade = |decade: u32| count(&|cell| cell.decade == decade);
    let most = decades.iter().map(|&decade| of_decade(decade)).max().unwrap_or(1);
    for decade in decades {
        let of_gender =
            |gender| count(&|cell| cell.decade == decade && cell.gender() == gender).to_string();
        let mut row = vec![format!("{decade}-{}", decade + 9), of_decade(decade).to_string()];
        row.extend([of_gender(Gender::Female), of_gender(Gender::Male)]);
        row.extend(
            races
                .iter()
                .map(|race| count(&|cell| cell.decade == decade && cell.race == *race).to_string()),
        );
        row.push("█".repeat((of_decade(decade) * BAR / most) as usize));
        table.add_row(row);
    }
    table
}
