//! WebDataset: tars in which the files of a sample are neighbours with one stem, as
//! `train-000000.tar` with `000000.jpg` and `000000.json`. Entries carry no time and no owner.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Result;
use serde_json::{Value, json};

use super::export::{Exported, Shards};

/// A tar under way.
pub(super) struct Shard(tar::Builder<BufWriter<File>>);

impl Shards for Shard {
    const SAMPLES: u64 = 1000;

    fn name(split: &str, number: u64, _: u64) -> String {
        format!("{split}-{number:06}.tar")
    }

    fn begin(file: File) -> Result<Self> {
        Ok(Self(tar::Builder::new(BufWriter::new(file))))
    }

    fn add(&mut self, sample: &Exported) -> Result<()> {
        let stem = format!("{:06}", sample.number);
        self.append(&format!("{stem}.{}", sample.extension()), &sample.image)?;
        self.append(&format!("{stem}.json"), labels(sample).to_string().as_bytes())
    }

    fn finish(self) -> Result<()> {
        Ok(self.0.into_inner()?.flush()?)
    }
}

impl Shard {
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        Ok(self.0.append_data(&mut header, name, bytes)?)
    }
}

/// Every sample has every key.
fn labels(exported: &Exported) -> Value {
    let sample = &exported.sample;
    let ages = exported.ages();
    json!({
        "path": sample.path,
        "age": sample.age,
        "age_lower": ages.map(|(lower, _)| lower),
        "age_upper": ages.map(|(_, upper)| upper),
        "gender": exported.gender(),
        "race": Exported::said(&sample.race),
        "subject": Exported::said(&sample.subject),
        "pixel_hash": sample.pixel_hash,
    })
}
