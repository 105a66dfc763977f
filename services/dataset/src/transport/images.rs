//! StreamSamples: a split with its images, in order of path.

use std::collections::VecDeque;
use std::num::NonZero;

use agespan_proto::dataset::v1 as proto;
use agespan_service::status;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;
use tonic::Status;

use super::convert;
use crate::label::Split;
use crate::manifest::Row;
use crate::prepare;
use crate::samples::{Samples, SamplesError};

/// Most samples of a batch, as the protocol says.
const BATCH_SAMPLES: usize = 64;

/// Most image bytes of a batch that has more than one: clients take messages of 4 MiB unless they
/// are told otherwise.
const BATCH_BYTES: usize = 2 << 20;

/// Batches that wait for a slow client.
const AHEAD: usize = 2;

const SIDES: std::ops::RangeInclusive<u32> = 8..=512;

/// How images are given.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As they were imported.
    Files,
    /// Decoded squares of so many pixels a side.
    Pixels(u32),
}

impl Form {
    pub(super) fn of_side(side: u32) -> Result<Self, Status> {
        match side {
            0 => Ok(Self::Files),
            side if SIDES.contains(&side) => Ok(Self::Pixels(side)),
            _ => Err(status::invalid("side", "SIDE", "give 8 to 512 pixels, or 0 for files")),
        }
    }

    /// What an image takes in a message.
    fn length(self, image: &Bytes) -> usize {
        match self {
            Self::Files => image.len(),
            Self::Pixels(side) => prepare::bytes_of(side),
        }
    }
}

/// A place in the stream of a split, and whose it is.
pub(super) fn resume_at(samples: &Samples, split: Split, token: &str) -> Result<usize, Status> {
    if token.is_empty() {
        return Ok(0);
    }
    let place = token.strip_prefix(&token_prefix(samples, split)).and_then(|at| at.parse().ok());
    place.filter(|at| *at <= samples.faces(Some(split)).count()).ok_or_else(|| {
        let message = "not a token of this split as it is now; begin again";
        status::invalid("resume_token", "RESUME_TOKEN", message)
    })
}

fn token_prefix(samples: &Samples, split: Split) -> String {
    let hash = samples.record().content_hash.to_string();
    format!("{}.{split}.", &hash[..16])
}

type Message = Result<proto::StreamSamplesResponse, Status>;

/// Why a stream ends early.
enum End {
    /// The client has gone.
    Gone,
    /// An image cannot be had.
    Failed(Status),
}

impl From<SamplesError> for End {
    fn from(error: SamplesError) -> Self {
        Self::Failed(convert::samples_error(error))
    }
}

pub(super) fn stream(
    samples: Samples,
    split: Split,
    form: Form,
    first: usize,
) -> BoxStream<'static, Message> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    // A task, so that the next shard is read while the client is busy with this one. It ends when
    // the client goes: the stream is dropped then, and the channel with it.
    tokio::spawn(async move {
        if let Err(End::Failed(status)) = send(&samples, split, form, first, &sender).await {
            let _ = sender.send(Err(status)).await;
        }
    });
    stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

async fn send(
    samples: &Samples,
    split: Split,
    form: Form,
    first: usize,
    sender: &Sender<Message>,
) -> Result<(), End> {
    let rows: Vec<&Row> = samples.faces(Some(split)).skip(first).collect();
    let token_prefix = token_prefix(samples, split);
    let mut outbox = Outbox::new(sender, form, token_prefix, first);
    for run in rows.chunk_by(|a, b| shard(a) == shard(b)) {
        for (row, image) in read(samples, run).await? {
            outbox.push(row, image).await?;
        }
    }
    outbox.flush().await?;
    outbox.drain(0).await
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

/// Samples on their way: gathered to batches, batches decoded on several threads, sent in order.
struct Outbox<'a> {
    sender: &'a Sender<Message>,
    form: Form,
    token_prefix: String,
    batch: Vec<(Row, Bytes)>,
    bytes: usize,
    /// Samples of the split up to the end of the last batch.
    sent: usize,
    under_way: VecDeque<JoinHandle<Message>>,
}

impl<'a> Outbox<'a> {
    fn new(sender: &'a Sender<Message>, form: Form, token_prefix: String, sent: usize) -> Self {
        let (batch, under_way) = (Vec::new(), VecDeque::new());
        Self { sender, form, token_prefix, batch, bytes: 0, sent, under_way }
    }

    async fn push(&mut self, row: &Row, image: Bytes) -> Result<(), End> {
        let length = self.form.length(&image);
        if self.batch.len() == BATCH_SAMPLES || self.bytes + length > BATCH_BYTES {
            self.flush().await?;
        }
        self.bytes += length;
        self.batch.push((row.clone(), image));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.sent += batch.len();
        let (form, resume_token) = (self.form, format!("{}{}", self.token_prefix, self.sent));
        self.under_way.push_back(tokio::task::spawn_blocking(move || {
            let (samples, prepared) = given(batch, form)?;
            Ok(proto::StreamSamplesResponse { samples, prepared, resume_token })
        }));
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        self.drain(threads).await
    }

    /// Sends the oldest batches until no more than `most` are under way.
    async fn drain(&mut self, most: usize) -> Result<(), End> {
        while self.under_way.len() > most {
            let Some(oldest) = self.under_way.pop_front() else { break };
            let message = oldest.await.map_err(|e| End::Failed(status::internal(&e)))?;
            let message = message.map_err(End::Failed)?;
            self.sender.send(Ok(message)).await.map_err(|_| End::Gone)?;
        }
        Ok(())
    }
}

/// Samples in the form that was asked for.
pub(super) fn given(
    batch: Vec<(Row, Bytes)>,
    form: Form,
) -> Result<(Vec<proto::SampleImage>, Option<proto::PreparedBatch>), Status> {
    let Form::Pixels(side) = form else {
        let sample = |(row, image): (Row, Bytes)| proto::SampleImage {
            sample: Some(convert::sample(&row, None)),
            image,
        };
        return Ok((batch.into_iter().map(sample).collect(), None));
    };
    let (rows, images): (Vec<Row>, Vec<Bytes>) = batch.into_iter().unzip();
    let pixels = prepare::pixels(&images, side).map_err(|error| status::internal(&error))?;
    Ok((Vec::new(), Some(convert::prepared(&rows, pixels, side))))
}
