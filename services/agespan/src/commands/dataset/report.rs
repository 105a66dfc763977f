//! `agespan dataset report`: the data set as a page, for its owner.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::dataset::v1 as proto;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::page::{self, Face, Page};
use super::stats;
use crate::commands::{Session, resource};

/// Side of a face on the sheet, in pixels.
const SIDE: u32 = 96;
/// Of a JPEG on the sheet.
const QUALITY: u8 = 85;

pub(super) async fn run(session: &Session, name: &str, out: &Path, faces: u32) -> Result<()> {
    let request = proto::GetDatasetRequest { name: resource("datasets", name) };
    let answer = session.client.datasets().get_dataset(request).await?.into_inner();
    let dataset = answer.dataset.unwrap_or_default();
    let statistics = stats::fetch(session, name).await?;
    let sheet = sheet(session, name, faces as usize).await?;
    let html = page::page(&Page { dataset: &dataset, statistics: &statistics, sheet: &sheet });
    let file = out.join("dataset.html");
    let cannot = || format!("cannot write {}", file.display());
    fs::create_dir_all(out).with_context(cannot)?;
    fs::write(&file, html).with_context(cannot)?;
    if session.json {
        println!("{}", json!({"file": file}));
    } else {
        println!("{} shows faces of {}: keep it to yourself", file.display(), dataset.name);
    }
    Ok(())
}

/// Some faces of each decade.
async fn sheet(session: &Session, name: &str, faces: usize) -> Result<BTreeMap<u32, Vec<Face>>> {
    let mut sheet = BTreeMap::new();
    if faces == 0 {
        return Ok(sheet);
    }
    for (decade, samples) in by_decade(session, name).await? {
        let chosen = spread(&samples, faces);
        let request = proto::GetSampleImagesRequest {
            name: resource("datasets", name),
            paths: chosen.iter().map(|sample| sample.path.clone()).collect(),
            side: SIDE,
        };
        let answer = session.client.datasets().get_sample_images(request).await?.into_inner();
        let pixels = answer.prepared.unwrap_or_default().pixels;
        let images = pixels.chunks_exact((SIDE * SIDE * 3) as usize);
        let drawn = chosen.iter().zip(images).map(|(sample, pixels)| face(sample, pixels));
        sheet.insert(decade, drawn.collect::<Result<_>>()?);
    }
    Ok(sheet)
}

async fn by_decade(session: &Session, name: &str) -> Result<BTreeMap<u32, Vec<proto::Sample>>> {
    let mut decades: BTreeMap<u32, Vec<proto::Sample>> = BTreeMap::new();
    let mut page_token = String::new();
    loop {
        let name = resource("datasets", name);
        let request =
            proto::ListSamplesRequest { name, page_size: 1000, page_token, ..Default::default() };
        let answer = session.client.datasets().list_samples(request).await?.into_inner();
        for sample in answer.samples {
            if let Some(decade) = decade(&sample) {
                decades.entry(decade).or_default().push(sample);
            }
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(decades);
        }
    }
}

/// The decade that the statistics count a sample in.
fn decade(sample: &proto::Sample) -> Option<u32> {
    let age = match (sample.age, sample.age_range) {
        (Some(age), _) => age,
        (None, Some(range)) if range.upper >= 116 => range.lower,
        (None, Some(range)) => u32::midpoint(range.lower, range.upper),
        (None, None) => return None,
    };
    Some(age / 10 * 10)
}

/// So many of all, at even distances.
fn spread<T>(all: &[T], most: usize) -> Vec<&T> {
    let count = all.len().min(most);
    (0..count).map(|i| &all[i * all.len() / count]).collect()
}

fn face(sample: &proto::Sample, pixels: &[u8]) -> Result<Face> {
    let image = agespan_imaging::RgbImage::from_raw(SIDE, SIDE, pixels.to_vec())
        .context("the server sent an image of another size")?;
    let jpeg = agespan_imaging::encode_jpeg(&image, QUALITY)?;
    let age = match (sample.age, sample.age_range) {
        (Some(age), _) => age.to_string(),
        (None, Some(range)) if range.upper >= 116 => format!("{}+", range.lower),
        (None, range) => range.map_or_else(String::new, |r| format!("{}–{}", r.lower, r.upper)),
    };
    let gender = match sample.gender() {
        Gender::Female => " f",
        Gender::Male => " m",
        Gender::Unspecified => "",
    };
    Ok(Face {
        caption: format!("{age}{gender}"),
        title: sample.path.clone(),
        jpeg: STANDARD.encode(jpeg),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_spread_over_all() {
        let all: Vec<u32> = (0..10).collect();
        assert_eq!(spread(&all, 5), [&0, &2, &4, &6, &8]);
        assert_eq!(spread(&all, 20).len(), 10);
        assert!(spread::<u32>(&[], 5).is_empty());
    }

    #[test]
    fn ranges_are_in_the_decade_of_their_middle_or_beginning() {
        let range = |lower, upper| proto::Sample {
            age_range: Some(proto::AgeRange { lower, upper }),
            ..Default::default()
        };
        let exact = proto::Sample { age: Some(39), ..Default::default() };
        let samples = [exact, range(3, 9), range(70, 116), proto::Sample::default()];
        let decades = samples.each_ref().map(decade);
        assert_eq!(decades, [Some(30), Some(0), Some(70), None]);
    }
}
