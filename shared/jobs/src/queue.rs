//! The stream of one kind of job, seen by one consumer of its group.

use std::time::Duration;

use redis::{
    RedisError, Value,
    aio::MultiplexedConnection,
    streams::{StreamAutoClaimReply, StreamId, StreamInfoGroupsReply, StreamReadReply},
};
use uuid::Uuid;

use crate::{
    Jobs, JobsError, Lease, jobs::milliseconds, keys::check_kind, scripts, store::Status,
    sweep::Sweep,
};

const GROUP: &str = "workers";

/// Twenty leases of silence and nothing pending: such a consumer's process is gone.
const CONSUMER_GONE_LEASES: u32 = 20;

/// Delivers jobs of one kind. Each worker process has its own.
#[derive(Debug)]
pub struct Queue {
    jobs: Jobs,
    stream: String,
    consumer: String,
    block: Duration,
    reader: Option<MultiplexedConnection>,
    /// Where the next search for abandoned entries goes on.
    cursor: String,
    sweep: Sweep,
}

/// A stream entry that was delivered to this consumer. It names a job; whether that may be run is
/// for [`Queue::claim`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    entry: String,
    job_id: String,
    /// Names the claim that it leads to, so that one whose answer was lost can be repeated.
    claim: String,
}

impl Delivery {
    /// The job that the entry names.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }
}

/// How much work there is, as autoscalers see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStatistics {
    /// Entries that nobody has read yet. `None` when Redis does not know.
    pub lag: Option<usize>,
    /// Entries that were read and are being worked on, or wait for a retry.
    pub pending: usize,
}

impl Queue {
    /// A new consumer of the queue of `kind`.
    pub fn new(jobs: Jobs, kind: &str) -> Result<Self, JobsError> {
        check_kind(kind)?;
        Ok(Self {
            stream: jobs.keys().stream(kind),
            consumer: Uuid::new_v4().to_string(),
            // Short, so that a worker that shuts down can wait for its read to end: a read that is
            // dropped may have been answered, and its entry would wait for a whole lease.
            block: (jobs.config().lease / 5).min(Duration::from_millis(500)),
            jobs,
            reader: None,
            cursor: "0-0".to_owned(),
            sweep: Sweep::new(kind),
        })
    }

    /// The name under which this consumer claims jobs.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// Up to `count` new entries; none when there are none for a short while.
    pub async fn read(&mut self, count: usize) -> Result<Vec<Delivery>, JobsError> {
        match self.try_read(count).await {
            Err(error) if error.code() == Some("NOGROUP") => {
                self.create_group().await?;
                Ok(Vec::new())
            }
            Err(error) => {
                self.reader = None;
                Err(JobsError::redis(OPERATION, error))
            }
            Ok(reply) => Ok(deliveries(reply.keys.into_iter().flat_map(|key| key.ids))),
        }
    }

    async fn try_read(&mut self, count: usize) -> Result<StreamReadReply, RedisError> {
        let mut command = redis::cmd("XREADGROUP");
        command
            .arg(&["GROUP", GROUP, &self.consumer])
            .arg("COUNT")
            .arg(count)
            .arg("BLOCK")
            .arg(milliseconds(self.block).max(1))
            .arg(&["STREAMS", &self.stream, ">"]);
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let store = self.jobs.store();
                self.reader.insert(store.blocking_connection(self.block).await?)
            }
        };
        let reply: Option<StreamReadReply> = command.query_async(reader).await?;
        Ok(reply.unwrap_or_default())
    }

    /// Up to `count` entries that their consumer has left alone for a lease: it died, or the job's
    /// next attempt is due.
    pub async fn reclaim(&mut self, count: usize) -> Result<Vec<Delivery>, JobsError> {
        loop {
            let mut command = redis::cmd("XAUTOCLAIM");
            command
                .arg(&[&self.stream, GROUP, &self.consumer])
                .arg(self.jobs.lease_ms())
                .arg(&self.cursor)
                .arg("COUNT")
                .arg(count);
            let reply: StreamAutoClaimReply =
                match self.jobs.store().command(OPERATION, &command).await {
                    Err(JobsError::Refused { source, .. }) if source.code() == Some("NOGROUP") => {
                        self.create_group().await?;
                        continue;
                    }
                    reply => reply?,
                };
            // One call looks at a part of the pending entries only: go on until something is found
            // or all were seen, else many healthy ones in front would hide a dead one.
            self.cursor = reply.next_stream_id;
            if !reply.claimed.is_empty() || self.cursor == "0-0" {
                return Ok(deliveries(reply.claimed));
            }
        }
    }

    /// Takes the job of a delivered entry. `None` when there is nothing to run: the job was
    /// cancelled, is held by somebody else, or has no attempt left and was failed. When the answer
    /// is lost it can be asked again: the same delivery is claimed once.
    pub async fn claim(&self, delivery: &Delivery) -> Result<Option<(Lease, Vec<u8>)>, JobsError> {
        let mut call = scripts::CLAIM.prepare_invoke();
        call.key(self.jobs.keys().job(&delivery.job_id))
            .key(&self.stream)
            .arg(&delivery.entry)
            .arg(&self.consumer)
            .arg(self.jobs.lease_ms())
            .arg(self.jobs.retention_ms())
            .arg(&delivery.claim);
        let mut reply = self.jobs.store().script("claim a job", &call).await?;
        match reply.status {
            Status::Ok => {}
            Status::Gone | Status::Held => return Ok(None),
            _ => return Err(reply.unexpected()),
        }
        let lease = Lease {
            jobs: self.jobs.clone(),
            id: delivery.job_id.clone(),
            stream: self.stream.clone(),
            worker: self.consumer.clone(),
            fence: reply.take(1)?,
            claim: delivery.claim.clone(),
            attempt: reply.take(2)?,
            checkpoint: reply.take(4)?,
            trace: reply.take(5)?,
        };
        Ok(Some((lease, reply.take(3)?)))
    }

    /// Trims what everybody is done with, forgets consumers whose process is gone, and looks at the
    /// next part of the indexes for jobs that have expired.
    pub async fn tidy(&mut self) -> Result<(), JobsError> {
        self.run_tidy("").await?;
        self.sweep.next_part(&self.jobs).await
    }

    /// Trims, and forgets this consumer too, unless it still holds something.
    pub async fn leave(&self) -> Result<(), JobsError> {
        self.run_tidy(&self.consumer).await
    }

    /// How much work there is.
    pub async fn statistics(&self) -> Result<QueueStatistics, JobsError> {
        self.create_group().await?;
        let mut command = redis::cmd("XINFO");
        command.arg("GROUPS").arg(&self.stream);
        let reply: StreamInfoGroupsReply = self.jobs.store().command(OPERATION, &command).await?;
        let group = reply.groups.into_iter().find(|group| group.name == GROUP);
        Ok(group.map_or_else(QueueStatistics::default, |group| QueueStatistics {
            lag: group.lag,
            pending: group.pending,
        }))
    }

    async fn run_tidy(&self, leaving: &str) -> Result<(), JobsError> {
        let gone = self.jobs.config().lease * CONSUMER_GONE_LEASES;
        let mut call = scripts::TIDY.prepare_invoke();
        call.key(&self.stream).key(&self.stream).arg(milliseconds(gone)).arg(leaving);
        self.jobs.store().script("tidy a queue", &call).await.map(drop)
    }

    /// Makes the group. Submitting does so as well; a worker may be there first.
    async fn create_group(&self) -> Result<(), JobsError> {
        let mut command = redis::cmd("XGROUP");
        command.arg(&["CREATE", &self.stream, GROUP, "0", "MKSTREAM"]);
        match self.jobs.store().command::<Value>(OPERATION, &command).await {
            Err(JobsError::Refused { source, .. }) if source.code() == Some("BUSYGROUP") => Ok(()),
            made => made.map(drop),
        }
    }
}

const OPERATION: &str = "read a queue";

/// Entries without a job id are not ours: nothing here writes any, and nobody could run them.
fn deliveries(entries: impl IntoIterator<Item = StreamId>) -> Vec<Delivery> {
    entries
        .into_iter()
        .filter_map(|entry| {
            let job_id = entry.get("job")?;
            let entry = entry.id;
            Some(Delivery { entry, job_id, claim: Uuid::new_v4().to_string() })
        })
        .collect()
}
