//! The connection to Redis that everything shares, except reads that block.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisError, ScriptInvocation,
    TlsCertificates, Value,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    from_redis_value,
};

use crate::{JobsConfig, JobsError, jobs::milliseconds};

/// Enough for a network, short enough that a caller without Redis hears so at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Generous: Redis may be loading, or share a busy machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A lazily made, shared connection.
#[derive(Debug)]
pub(crate) struct Store {
    client: Client,
    /// A std Mutex: it is held for a clone and never across an await.
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    generation: u64,
    connection: Option<ConnectionManager>,
}

impl Store {
    /// Checks the URL; connects to nothing.
    pub(crate) fn new(config: &JobsConfig) -> Result<Self, JobsError> {
        let url = config.url.as_str();
        let client = match config.authorities.clone() {
            None => Client::open(url),
            root_cert => {
                Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })
            }
        };
        Ok(Self { client: client.map_err(JobsError::InvalidUrl)?, current: Mutex::default() })
    }

    /// Runs one command.
    pub(crate) async fn command<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T, JobsError> {
        let (generation, mut connection) = self.connection(operation)?;
        let answer = command.query_async(&mut connection).await;
        self.check(operation, generation, answer)
    }

    /// Runs several commands in one round trip.
    pub(crate) async fn pipeline<T: FromRedisValue>(
        &self,
        operation: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T, JobsError> {
        let (generation, mut connection) = self.connection(operation)?;
        let answer = pipeline.query_async(&mut connection).await;
        self.check(operation, generation, answer)
    }

    /// Runs a script.
    pub(crate) async fn script(
        &self,
        operation: &'static str,
        call: &ScriptInvocation<'_>,
    ) -> Result<Reply, JobsError> {
        let (generation, mut connection) = self.connection(operation)?;
        let answer = call.invoke_async(&mut connection).await;
        Reply::read(self.check(operation, generation, answer)?)
    }

    /// Runs a script and waits until `wanted` replicas have what it wrote, or `within` is over. Says
    /// how many have it.
    ///
    /// On a connection of its own: WAIT counts what *its* connection has written, so one that was
    /// made anew in between would know of nothing to wait for; and it would hold up all others.
    pub(crate) async fn replicated_script(
        &self,
        operation: &'static str,
        call: &ScriptInvocation<'_>,
        wanted: u32,
        within: Duration,
    ) -> Result<(Reply, u32), JobsError> {
        let failed = |error| JobsError::redis(operation, error);
        let mut connection = self.blocking_connection(within).await.map_err(failed)?;
        let reply = call.invoke_async(&mut connection).await.map_err(failed)?;
        let mut wait = redis::cmd("WAIT");
        // A timeout of 0 would mean for ever.
        wait.arg(wanted).arg(milliseconds(within).max(1));
        let reached = wait.query_async(&mut connection).await.map_err(failed)?;
        Ok((Reply::read(reply)?, reached))
    }

    /// A connection of its own for reads that block for `block`, which would hold up all others.
    pub(crate) async fn blocking_connection(
        &self,
        block: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(block + RESPONSE_TIMEOUT));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    fn connection(&self, operation: &'static str) -> Result<(u64, ConnectionManager), JobsError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = &current.connection {
            return Ok((current.generation, connection.clone()));
        }
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            // The caller decides about retries, not the connection: it would keep callers waiting.
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(self.client.clone(), config)
            .map_err(|error| JobsError::redis(operation, error))?;
        current.connection = Some(connection.clone());
        Ok((current.generation, connection))
    }

    /// After trouble the next caller starts with a new connection. The manager would reconnect by
    /// itself after a reset, but neither after a timeout (a peer that vanished) nor when Redis
    /// refused it once (still loading).
    fn check<T>(
        &self,
        operation: &'static str,
        generation: u64,
        answer: Result<T, RedisError>,
    ) -> Result<T, JobsError> {
        answer.map_err(|source| {
            let error = JobsError::redis(operation, source);
            if error.is_unavailable() {
                self.forget(generation);
            }
            error
        })
    }

    fn forget(&self, generation: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody who failed with the connection before must not throw away the new one.
        if current.generation == generation {
            current.generation += 1;
            current.connection = None;
        }
    }
}

/// What a script answered: a status and values.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: Status,
    values: Vec<Value>,
}

/// The first value of every script's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Fenced,
    Finished,
    Gone,
    Held,
    NotFound,
    Reused,
    Unfinished,
}

impl Reply {
    fn read(mut values: Vec<Value>) -> Result<Self, JobsError> {
        let first = values.first_mut().map(std::mem::take);
        let name: String = value(first.unwrap_or_default())?;
        let status = match name.as_str() {
            "OK" => Status::Ok,
            "FENCED" => Status::Fenced,
            "FINISHED" => Status::Finished,
            "GONE" => Status::Gone,
            "HELD" => Status::Held,
            "NOT_FOUND" => Status::NotFound,
            "REUSED" => Status::Reused,
            "UNFINISHED" => Status::Unfinished,
            _ => return Err(JobsError::corrupt("a script's answer", name)),
        };
        Ok(Self { status, values })
    }

    /// The value at `index`; the status is at 0.
    pub(crate) fn take<T: FromRedisValue>(&mut self, index: usize) -> Result<T, JobsError> {
        // Lua ends an array at its first trailing nil.
        let found = self.values.get_mut(index).map(std::mem::take);
        value(found.unwrap_or_default())
    }

    /// For answers that the script cannot give.
    pub(crate) fn unexpected(&self) -> JobsError {
        JobsError::corrupt("a script's answer", format!("{:?}", self.status))
    }
}

fn value<T: FromRedisValue>(value: Value) -> Result<T, JobsError> {
    from_redis_value(value).map_err(|error| JobsError::corrupt("an answer", error.to_string()))
}
