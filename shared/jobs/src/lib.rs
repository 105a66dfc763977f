//! Job state on Redis Streams: everything that takes longer than a request.
//!
//! The major components are:
//!
//! * [`Jobs`]: what a server needs. Submit, look up, list, cancel, retry,
//!   delete and watch jobs.
//! * [`Worker`]: what a worker process needs. Takes jobs of one kind and runs them with a
//!   [`Handler`], which sees the job through a [`JobContext`]. `worker.rs` is the loop, `attempt.rs`
//!   the life of one job in it, `heartbeat.rs` what keeps its lease.
//! * [`Queue`] and [`Lease`]: what a `Worker` is made of. One delivers, the other is the right to
//!   write to a job, and every write it makes names its claim, with a fencing token for other stores.
//! * `scripts/*.lua`: every transition of a job, each one atomic step in Redis. They hold the
//!   invariants; the Rust around them only calls them (`scripts.rs`, `store.rs`).
//! * [`measure_queues`]: what a collector is told of queues; `instruments.rs`, of attempts.
//! * [`availability`]: whether Redis answers, as a flag for readiness.
//! * [`PrivateRedis`]: a `redis-server` of one's own, for a single machine and for tests.
//!
//! # States
//!
//! ```text
//!   submit ──► QUEUED ──────── claim: fence + 1, attempt + 1 ───────► RUNNING ──┐ claim of an
//!                │  ▲                                                 │  │  ▲   │ expired lease
//!                │  └── release (drain): the attempt is not counted ──┤  │  └───┘
//!                │  └── retryable failure: again after one lease ─────┘  │
//!                │                                                       ├─ succeed ──► SUCCEEDED
//!                │                                                       ├─ fail, or no
//!                │                                                       │  attempt left ► FAILED
//!                └─ cancel ─────────────────────────────────► CANCELLED ◄┘ cancel, once the
//!                                                                          handler has stopped
//! ```
//!
//! FAILED jobs are the dead letter: they are listed by that state with their error, and `retry` makes
//! one QUEUED again, with all its attempts and the last checkpoint.
//!
//! # Invariants
//!
//! * Redis is the only place where job state lives, and its clock the only clock.
//! * A job is delivered at least once and *finishes once*: two workers may run it for a moment, but
//!   only the newest claim can write. The other gets [`JobsError::Fenced`]. What a handler
//!   writes elsewhere must therefore be idempotent (content-addressed artifacts are).
//! * A stream is trimmed, never `XDEL`ed, so that the `lag` that autoscalers read stays a number.
//!   A queue that waits for retries has pending entries and no lag: scale on both.
//! * Scripts touch several keys. A Redis Cluster needs a prefix with a hash tag (`{agespan}`).

mod attempt;
mod availability;
mod config;
mod context;
mod error;
mod handler;
mod heartbeat;
mod instruments;
mod job;
mod jobs;
mod keys;
mod lease;
mod list;
mod private_redis;
mod progress;
mod queue;
mod scripts;
mod store;
mod sweep;
mod trace;
mod watch;
mod worker;

pub use availability::availability;
pub use config::JobsConfig;
pub use context::{CancelReason, JobContext};
pub use error::JobsError;
pub use handler::{Handler, JobFailure};
pub use instruments::measure_queues;
pub use job::{Job, JobError, JobState, Progress};
pub use jobs::Jobs;
pub use lease::Lease;
pub use list::ListFilter;
pub use private_redis::{PrivateRedis, PrivateRedisError};
pub use queue::{Delivery, Queue, QueueStatistics};
pub use worker::Worker;

/// The largest payload of a job, in bytes. Larger things are artifacts and the payload names them.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// The largest checkpoint of a job, in bytes. Weights are artifacts; a checkpoint names them.
pub const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;
