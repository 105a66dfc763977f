//! What a server does with jobs.

use std::{sync::Arc, time::Duration};

use futures_util::stream::BoxStream;
use uuid::Uuid;

use crate::{
    Job, JobState, JobsConfig, JobsError, MAX_PAYLOAD_BYTES,
    job::FIELDS,
    keys::{Keys, check_kind},
    list::{self, ListFilter},
    scripts,
    store::{Reply, Status, Store},
    trace, watch,
};

const SUBMIT: &str = "submit a job";

/// The longest request id that is accepted, in bytes. Twice a UUID's and some.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// All jobs in one Redis. Cheap to clone; every clone shares one connection.
#[derive(Debug, Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: JobsConfig,
    keys: Keys,
    store: Store,
}

impl Jobs {
    /// Checks the configuration. The connection is made on first use, and again after it was lost,
    /// so that a service starts and serves without Redis; meanwhile jobs are
    /// [`JobsError::Unavailable`].
    pub fn new(config: JobsConfig) -> Result<Self, JobsError> {
        // The scripts count in milliseconds, and a heartbeat every third of nothing would spin.
        if config.lease < Duration::from_millis(30) {
            return Err(JobsError::invalid("lease", "must be at least 30 ms"));
        }
        if config.max_attempts == 0 {
            return Err(JobsError::invalid("max_attempts", "must be at least 1"));
        }
        let store = Store::new(&config)?;
        let keys = Keys::new(&config.prefix);
        Ok(Self { inner: Arc::new(Inner { config, keys, store }) })
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<(), JobsError> {
        self.store().command("ping", &redis::cmd("PING")).await
    }

    /// Queues a job and returns it.
    ///
    /// With a `request_id` a repeated call returns the job that the first one made, so a caller who
    /// does not know whether a call succeeded repeats it. The id is remembered as long as the job.
    pub async fn submit(
        &self,
        kind: &str,
        payload: &[u8],
        request_id: Option<String>,
    ) -> Result<Job, JobsError> {
        check_submission(kind, payload, request_id.as_deref())?;
        let id = Uuid::new_v4().to_string();
        let keys = self.keys();
        let mut call = scripts::SUBMIT.prepare_invoke();
        call.key(keys.job(&id))
            .key(keys.stream(kind))
            .key(keys.index(None))
            .key(keys.index(Some(kind)))
            .key(keys.sequence());
        if let Some(request_id) = &request_id {
            call.key(keys.request(kind, request_id));
        }
        call.arg(&id).arg(kind).arg(payload).arg(self.config().max_attempts).arg(trace::here());
        let mut reply = self.acknowledged(&call).await?;
        let id: String = reply.take(1)?;
        match reply.status {
            Status::Ok => self.get(&id).await,
            Status::Reused => {
                Err(JobsError::RequestIdReused { request_id: request_id.unwrap_or_default(), id })
            }
            _ => Err(reply.unexpected()),
        }
    }

    /// Submits, and waits for as many replicas as the configuration asks for.
    async fn acknowledged(&self, call: &redis::ScriptInvocation<'_>) -> Result<Reply, JobsError> {
        let (wanted, within) = (self.config().replicas, self.config().replicas_within);
        if wanted == 0 {
            return self.store().script(SUBMIT, call).await;
        }
        let (reply, reached) = self.store().replicated_script(SUBMIT, call, wanted, within).await?;
        if reached < wanted && reply.status == Status::Ok {
            return Err(JobsError::NotReplicated { reached, wanted });
        }
        Ok(reply)
    }

    /// The job as it is now.
    pub async fn get(&self, id: &str) -> Result<Job, JobsError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.job_key(id)?).arg(&FIELDS);
        let fields = self.store().command("get a job", &command).await?;
        Job::from_fields(fields)?.ok_or_else(|| not_found(id))
    }

    /// What the job was submitted with.
    pub async fn payload(&self, id: &str) -> Result<Vec<u8>, JobsError> {
        let payload: Option<Vec<u8>> = self.field(id, "payload").await?;
        payload.ok_or_else(|| not_found(id))
    }

    /// The last checkpoint that an attempt has saved.
    pub async fn checkpoint(&self, id: &str) -> Result<Option<String>, JobsError> {
        self.field(id, "checkpoint").await
    }

    /// One page of the jobs that match, newest first, and the token of the next page if there may
    /// be one. The page size is brought into 1 to 1000.
    pub async fn list(
        &self,
        filter: &ListFilter,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<(Vec<Job>, Option<String>), JobsError> {
        list::list(self, filter, page_size, page_token).await
    }

    /// Cancels a job and returns it: `CANCELLED` when nobody works on it, else still `RUNNING` with
    /// `cancel_requested`, until its handler has stopped.
    pub async fn cancel(&self, id: &str) -> Result<Job, JobsError> {
        let job = self.get(id).await?;
        let mut call = scripts::CANCEL.prepare_invoke();
        call.key(self.job_key(id)?).key(self.keys().stream(&job.kind)).arg(self.retention_ms());
        let mut reply = self.store().script("cancel a job", &call).await?;
        match reply.status {
            Status::Ok => self.get(id).await,
            Status::NotFound => Err(not_found(id)),
            Status::Finished => {
                Err(JobsError::AlreadyFinished { id: id.to_owned(), state: state(&mut reply)? })
            }
            _ => Err(reply.unexpected()),
        }
    }

    /// Queues a failed job again, with all its attempts and its last checkpoint, and returns it. A
    /// job that is queued or running already is returned as it is, so that a call whose answer was
    /// lost can be repeated.
    pub async fn retry(&self, id: &str) -> Result<Job, JobsError> {
        let job = self.get(id).await?;
        let mut call = scripts::RETRY.prepare_invoke();
        call.key(self.job_key(id)?).key(self.keys().stream(&job.kind));
        let mut reply = self.store().script("retry a job", &call).await?;
        match reply.status {
            Status::Ok => self.get(id).await,
            Status::NotFound => Err(not_found(id)),
            Status::Finished => {
                Err(JobsError::NotFailed { id: id.to_owned(), state: state(&mut reply)? })
            }
            _ => Err(reply.unexpected()),
        }
    }

    /// Forgets a finished job. What it has made stays.
    pub async fn delete(&self, id: &str) -> Result<(), JobsError> {
        let job = self.get(id).await?;
        let keys = self.keys();
        let mut call = scripts::DELETE.prepare_invoke();
        call.key(self.job_key(id)?)
            .key(keys.stream(&job.kind))
            .key(keys.index(None))
            .key(keys.index(Some(&job.kind)))
            .arg(id);
        let mut reply = self.store().script("delete a job", &call).await?;
        match reply.status {
            Status::Ok => Ok(()),
            Status::NotFound => Err(not_found(id)),
            Status::Unfinished => {
                Err(JobsError::NotFinished { id: id.to_owned(), state: state(&mut reply)? })
            }
            _ => Err(reply.unexpected()),
        }
    }

    /// The job now, and again after every change, until it is finished or deleted.
    ///
    /// A counter in Redis is polled every 200 ms: simple, and nothing to lose or to resume when a
    /// connection breaks. Changes that follow each other faster are seen as one. An error ends the
    /// stream; watching again continues with the state of then.
    pub fn watch(&self, id: &str) -> BoxStream<'static, Result<Job, JobsError>> {
        watch::watch(self.clone(), id.to_owned())
    }

    pub(crate) async fn field<T: redis::FromRedisValue>(
        &self,
        id: &str,
        field: &str,
    ) -> Result<T, JobsError> {
        let mut command = redis::cmd("HGET");
        command.arg(self.job_key(id)?).arg(field);
        self.store().command("read a job", &command).await
    }

    pub(crate) fn config(&self) -> &JobsConfig {
        &self.inner.config
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        milliseconds(self.config().lease)
    }

    pub(crate) fn retention_ms(&self) -> u64 {
        milliseconds(self.config().retention)
    }

    /// Ids come from outside: what is not a UUID cannot be a job, and must not become a key.
    fn job_key(&self, id: &str) -> Result<String, JobsError> {
        match Uuid::try_parse(id) {
            Ok(uuid) if uuid.to_string() == id => Ok(self.keys().job(id)),
            _ => Err(not_found(id)),
        }
    }
}

fn check_submission(kind: &str, payload: &[u8], request_id: Option<&str>) -> Result<(), JobsError> {
    check_kind(kind)?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(JobsError::invalid(
            "payload",
            format!(
                "has {} bytes, at most {MAX_PAYLOAD_BYTES} are accepted: store it as an artifact \
                 and name that",
                payload.len()
            ),
        ));
    }
    match request_id {
        Some(id) if id.is_empty() || id.len() > MAX_REQUEST_ID_BYTES => Err(JobsError::invalid(
            "request_id",
            format!("must have 1 to {MAX_REQUEST_ID_BYTES} bytes; a UUID is a good one"),
        )),
        _ => Ok(()),
    }
}

fn state(reply: &mut Reply) -> Result<JobState, JobsError> {
    reply.take::<String>(1)?.parse()
}

fn not_found(id: &str) -> JobsError {
    JobsError::NotFound { id: id.to_owned() }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
