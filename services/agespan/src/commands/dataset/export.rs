//! `agespan dataset export`: a split with its images, for other programs. The same data set always
//! gives the same bytes.

use std::fs;
use std::path::{Path, PathBuf};

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::dataset::v1 as proto;
use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::json;

use super::{parquet, webdataset, word};
use crate::arguments::ExportFormat;
use crate::commands::{Session, resource};

/// A sample as it is written.
pub(super) struct Exported {
    /// Its place in the split, from 0.
    pub(super) number: u64,
    pub(super) sample: proto::Sample,
    pub(super) image: Bytes,
}

impl Exported {
    /// The ending that its content wants; names in data sets are not always right.
    pub(super) fn extension(&self) -> &'static str {
        match &self.image[..] {
            [0x89, b'P', b'N', b'G', ..] => "png",
            [b'R', b'I', b'F', b'F', ..] => "webp",
            _ => "jpg",
        }
    }

    /// The lowest and the highest possible age; none without a label.
    pub(super) fn ages(&self) -> Option<(u32, u32)> {
        let range = self.sample.age_range.map(|range| (range.lower, range.upper));
        range.or_else(|| self.sample.age.map(|age| (age, age)))
    }

    pub(super) fn gender(&self) -> Option<&'static str> {
        match self.sample.gender() {
            Gender::Unspecified => None,
            Gender::Female => Some("female"),
            Gender::Male => Some("male"),
        }
    }

    /// A text, unless it is empty.
    pub(super) fn said(text: &str) -> Option<&str> {
        (!text.is_empty()).then_some(text)
    }
}

/// What is written in files of so many samples.
pub(super) trait Shards {
    /// Samples of a file.
    const SAMPLES: u64;
    /// The file `number` of `count`.
    fn name(split: &str, number: u64, count: u64) -> String;
    /// A file to be written.
    fn begin(file: fs::File) -> Result<Self>
    where
        Self: Sized;
    /// Adds a sample.
    fn add(&mut self, sample: &Exported) -> Result<()>;
    /// Completes the file.
    fn finish(self) -> Result<()>;
}

pub(super) async fn run(
    session: &Session,
    name: &str,
    split: proto::Split,
    format: ExportFormat,
    out: &Path,
) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot write to {}", out.display()))?;
    let files = match format {
        ExportFormat::Webdataset => write::<webdataset::Shard>(session, name, split, out).await?,
        ExportFormat::Parquet => write::<parquet::Shard>(session, name, split, out).await?,
    };
    for (path, samples) in files {
        if session.json {
            println!("{}", json!({"file": path, "samples": samples}));
        } else {
            println!("{}: {samples} samples", path.display());
        }
    }
    Ok(())
}

/// Writes a split and gives the files with their numbers of samples.
async fn write<S: Shards>(
    session: &Session,
    name: &str,
    split: proto::Split,
    out: &Path,
) -> Result<Vec<(PathBuf, u64)>> {
    let name = resource("datasets", name);
    let request = proto::GetSplitsRequest { name: name.clone() };
    let splits = session.client.datasets().get_splits(request).await?.into_inner().splits;
    let samples = splits.iter().find(|part| part.split() == split).map_or(0, |p| p.sample_count);
    let files = samples.div_ceil(S::SAMPLES);
    let request = proto::StreamSamplesRequest { name, split: split.into(), ..Default::default() };
    let mut stream = session.client.datasets().stream_samples(request).await?.into_inner();
    let (mut open, mut written, mut number) = (None, Vec::new(), 0);
    while let Some(message) = stream.message().await? {
        for found in message.samples {
            let (sample, image) = (found.sample.unwrap_or_default(), found.image);
            let file = match &mut open {
                Some(file) => file,
                None => {
                    let name = S::name(word(split), number / S::SAMPLES, files);
                    open.insert(Open::<S>::begin(&out.join(name))?)
                }
            };
            file.add(&Exported { number, sample, image })?;
            number += 1;
            if number % S::SAMPLES == 0 {
                written.extend(open.take().map(Open::finish).transpose()?);
            }
        }
    }
    written.extend(open.map(Open::finish).transpose()?);
    Ok(written)
}

/// A file under way. It has its name only when it is whole.
struct Open<S> {
    shard: S,
    path: PathBuf,
    part: PathBuf,
    samples: u64,
}

impl<S: Shards> Open<S> {
    fn begin(path: &Path) -> Result<Self> {
        let part = PathBuf::from(format!("{}.part", path.display()));
        let file = fs::File::create(&part);
        let file = file.with_context(|| format!("cannot write {}", part.display()))?;
        Ok(Self { shard: S::begin(file)?, path: path.to_owned(), part, samples: 0 })
    }

    fn add(&mut self, sample: &Exported) -> Result<()> {
        self.samples += 1;
        let added = self.shard.add(sample);
        added.with_context(|| format!("cannot write {}", self.part.display()))
    }

    fn finish(self) -> Result<(PathBuf, u64)> {
        let cannot = || format!("cannot write {}", self.path.display());
        self.shard.finish().with_context(cannot)?;
        fs::rename(&self.part, &self.path).with_context(cannot)?;
        Ok((self.path, self.samples))
    }
}
