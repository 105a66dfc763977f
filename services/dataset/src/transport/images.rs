//! StreamSamples: a split with its images, in order of path.

use agespan_proto::dataset::v1 as proto;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc::{self, Sender};
use tonic::Status;

use super::convert;
use crate::label::Split;
use crate::manifest::Row;
use crate::samples::{Samples, SamplesError};

/// Most samples of a batch, as the protocol says.
const BATCH_SAMPLES: usize = 64;

/// Most image bytes of a batch that has more than one: clients take messages of 4 MiB unless they
/// are told otherwise.
const BATCH_BYTES: usize = 2 << 20;

/// Batches that wait for a slow client.
const AHEAD: usize = 2;

type Message = Result<proto::StreamSamplesResponse, Status>;

/// The client has gone.
struct Gone;

pub(super) fn stream(samples: Samples, split: Split) -> BoxStream<'static, Message> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    // A task, so that the next shard is read while the client is busy with this one. It ends when
    // the client goes: the stream is dropped then, and the channel with it.
    tokio::spawn(async move {
        if let Err(error) = send(&samples, split, &sender).await {
            let _ = sender.send(Err(convert::samples_error(error))).await;
        }
    });
    stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

async fn send(
    samples: &Samples,
    split: Split,
    sender: &Sender<Message>,
) -> Result<(), SamplesError> {
    let rows: Vec<&Row> = samples.faces(Some(split)).collect();
    let mut batch = Batch { sender, samples: Vec::new(), bytes: 0 };
    for run in rows.chunk_by(|a, b| shard(a) == shard(b)) {
        for (row, image) in read(samples, run).await? {
            if batch.push(row, image).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = batch.flush().await;
    Ok(())
}

fn shard(row: &Row) -> Option<&str> {
    row.place.as_ref().map(|place| place.shard.as_str())
}

/// The images of neighbours that lie in one shard. Folders and zips are packed in order of path:
/// the neighbours are the whole shard, which is read once. A tar may be in any order; its images
/// are then read one by one, since keeping several shards at once would take too much memory.
async fn read<'a>(
    samples: &'a Samples,
    run: &[&'a Row],
) -> Result<Vec<(&'a Row, Bytes)>, SamplesError> {
    let of_run = |path: &str| run.first().is_some_and(|row| shard(row) == Some(path));
    let whole = samples
        .shards(None)
        .find(|shard| of_run(&shard.artifact.path) && shard.images == run.len() as u64);
    if let Some(shard) = whole {
        let mut images = samples.read_shard(shard).await?;
        images.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        return Ok(images);
    }
    let mut images = Vec::with_capacity(run.len());
    for row in run {
        images.push((*row, samples.image(row).await?));
    }
    Ok(images)
}

struct Batch<'a> {
    sender: &'a Sender<Message>,
    samples: Vec<proto::SampleImage>,
    bytes: usize,
}

impl Batch<'_> {
    async fn push(&mut self, row: &Row, image: Bytes) -> Result<(), Gone> {
        let full = self.samples.len() == BATCH_SAMPLES || self.bytes + image.len() > BATCH_BYTES;
        if full {
            self.flush().await?;
        }
        self.bytes += image.len();
        let sample = Some(convert::sample(row));
        self.samples.push(proto::SampleImage { sample, image });
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.bytes = 0;
        let samples = std::mem::take(&mut self.samples);
        if samples.is_empty() {
            return Ok(());
        }
        self.sender.send(Ok(proto::StreamSamplesResponse { samples })).await.map_err(|_| Gone)
    }
}
