//! What a [`Jobs`](crate::Jobs) is made of.

use std::time::Duration;

/// Where jobs live and how long they may be silent.
///
/// All processes that share jobs should use the same prefix and lease.
#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// `redis://host:port/db`, `rediss://` under TLS, or `redis+unix:///path/to/redis.sock`.
    pub url: String,
    /// With `rediss://`: the authorities that Redis is trusted by, PEM; without them the system's.
    pub authorities: Option<Vec<u8>>,
    /// Stands before every key, so that several systems can share one Redis.
    pub prefix: String,
    /// How long a worker may be silent before another one takes its job. Its third is the heartbeat.
    pub lease: Duration,
    /// How long a finished job can be looked up.
    pub retention: Duration,
    /// How many attempts a submitted job gets.
    pub max_attempts: u32,
    /// How many replicas must have a job before it is acknowledged. With 0 the primary's word is
    /// enough, and a fail-over can lose what it has acknowledged last.
    pub replicas: u32,
    /// How long a submission waits for them before it is [`JobsError::NotReplicated`].
    ///
    /// [`JobsError::NotReplicated`]: crate::JobsError::NotReplicated
    pub replicas_within: Duration,
}

impl JobsConfig {
    /// Defaults for the Redis at `url`: prefix `agespan`, lease 10 s, retention 7 days, 3 attempts,
    /// no replicas.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            authorities: None,
            prefix: "agespan".to_owned(),
            lease: Duration::from_secs(10),
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            max_attempts: 3,
            replicas: 0,
            replicas_within: Duration::from_secs(1),
        }
    }
}
