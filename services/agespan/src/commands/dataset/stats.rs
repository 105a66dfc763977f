//! `agespan dataset stats`: histograms in the terminal.

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::dataset::v1 as proto;
use anyhow::Result;
use serde_json::json;

use super::word;
use crate::commands::{Session, resource};
use crate::show;

/// The longest bar, in characters.
const BAR: u64 = 30;

/// A count with its name.
pub(super) type Count = (String, u64);

pub(super) async fn run(session: &Session, name: &str) -> Result<()> {
    let statistics = fetch(session, name).await?;
    if session.json {
        print_json(&statistics);
        return Ok(());
    }
    println!("{}", by_decade(&statistics.cells));
    for (title, counts) in [("split", by_split(&statistics)), ("race", by_race(&statistics))] {
        println!("{}", histogram(title, "faces", counts));
    }
    println!("{}", histogram("quarantined because", "files", quarantined(&statistics)));
    println!("{}", sentence(&statistics));
    Ok(())
}

pub(super) async fn fetch(
    session: &Session,
    name: &str,
) -> Result<proto::GetDatasetStatisticsResponse> {
    let request = proto::GetDatasetStatisticsRequest { name: resource("datasets", name) };
    Ok(session.client.datasets().get_dataset_statistics(request).await?.into_inner())
}

fn print_json(statistics: &proto::GetDatasetStatisticsResponse) {
    for cell in &statistics.cells {
        println!(
            "{}",
            json!({
                "decade": cell.decade, "gender": cell.gender().as_str_name(),
                "race": cell.race, "split": word(cell.split()), "count": cell.count,
            })
        );
    }
    for reason in &statistics.quarantined {
        println!("{}", json!({"quarantined": reason.reason, "count": reason.count}));
    }
    println!(
        "{}",
        json!({
            "range_labelled": statistics.range_labelled_count,
            "clusters": statistics.cluster_count,
            "clustered": statistics.clustered_sample_count,
        })
    );
}

/// What is in no histogram.
pub(super) fn sentence(statistics: &proto::GetDatasetStatisticsResponse) -> String {
    let mut text = format!(
        "{} clusters of samples that belong together, {} samples in them",
        statistics.cluster_count, statistics.clustered_sample_count
    );
    if statistics.range_labelled_count > 0 {
        text += &format!("; {} ages are ranges", statistics.range_labelled_count);
    }
    text
}

/// Decades with the number of women, men, and faces of no stated gender.
pub(super) fn decades(cells: &[proto::StatisticsCell]) -> Vec<(u32, [u64; 3])> {
    let mut decades: Vec<u32> = cells.iter().map(|cell| cell.decade).collect();
    decades.sort_unstable();
    decades.dedup();
    let count = |decade, gender| {
        let inside =
            |cell: &&proto::StatisticsCell| cell.decade == decade && cell.gender() == gender;
        cells.iter().filter(inside).map(|cell| cell.count).sum()
    };
    let genders = [Gender::Female, Gender::Male, Gender::Unspecified];
    decades.into_iter().map(|d| (d, genders.map(|gender| count(d, gender)))).collect()
}

pub(super) fn by_split(statistics: &proto::GetDatasetStatisticsResponse) -> Vec<Count> {
    let splits = [
        proto::Split::Train,
        proto::Split::Validation,
        proto::Split::Calibration,
        proto::Split::Test,
    ];
    let count = |split| {
        let inside = statistics.cells.iter().filter(|cell| cell.split() == split);
        (word(split).to_owned(), inside.map(|cell| cell.count).sum())
    };
    splits.map(count).into()
}

/// The most frequent first.
pub(super) fn by_race(statistics: &proto::GetDatasetStatisticsResponse) -> Vec<Count> {
    let mut counts = std::collections::BTreeMap::new();
    for cell in &statistics.cells {
        let race = if cell.race.is_empty() { "not stated" } else { &cell.race };
        *counts.entry(race.to_owned()).or_default() += cell.count;
    }
    descending(counts.into_iter().collect())
}

/// The most frequent first.
pub(super) fn quarantined(statistics: &proto::GetDatasetStatisticsResponse) -> Vec<Count> {
    let reasons = statistics.quarantined.iter();
    descending(reasons.map(|reason| (reason.reason.clone(), reason.count)).collect())
}

fn descending(mut counts: Vec<Count>) -> Vec<Count> {
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts
}

fn histogram(title: &str, unit: &str, counts: Vec<Count>) -> comfy_table::Table {
    let mut table = show::table(&[title, unit, ""]);
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    for (name, count) in counts {
        table.add_row(vec![name, count.to_string(), bar(count, most, '█')]);
    }
    table
}

fn bar(count: u64, most: u64, block: char) -> String {
    // What is there is seen.
    let length = (count * BAR).div_ceil(most);
    std::iter::repeat_n(block, length as usize).collect()
}

/// A bar for each decade: women, then men in a lighter shade, then those of no stated gender.
fn by_decade(cells: &[proto::StatisticsCell]) -> comfy_table::Table {
    let decades = decades(cells);
    let unknown = decades.iter().any(|(_, counts)| counts[2] > 0);
    let genders = ["decade", "faces", "female █", "male ▒"].into_iter();
    let columns = genders.chain(unknown.then_some("not stated ░")).chain([""]);
    let mut table = show::table(&columns.collect::<Vec<_>>());
    let most = decades.iter().map(|(_, counts)| counts.iter().sum()).max().unwrap_or(1).max(1);
    for (decade, counts) in decades {
        let all: u64 = counts.iter().sum();
        let mut row = vec![format!("{decade}-{}", decade + 9), all.to_string()];
        row.extend(counts.iter().take(if unknown { 3 } else { 2 }).map(u64::to_string));
        let bars = counts.iter().zip(['█', '▒', '░']);
        row.push(bars.map(|(count, block)| bar(*count, most, block)).collect());
        table.add_row(row);
    }
    table
}
