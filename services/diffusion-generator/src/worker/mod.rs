//! Generation as jobs: one that callers see, dealt out in shards that any worker draws.
//!
//! * [`Dealer`]: makes the shards of a generation job and waits for them. It computes nothing.
//! * [`Painter`]: draws the images of a shard, one after the other.
//!
//! A shard is a job like any other, so its worker may die: another takes it over and draws the
//! images that are not there yet. The dealer may die as well: the next one submits the same shards
//! under the same request ids and so finds those that are there.

mod dealer;
mod painter;

use agespan_jobs::JobFailure;
use agespan_service::status::chain;
use agespan_storage::StorageError;

pub(crate) use dealer::Dealer;
pub(crate) use painter::Painter;

fn store(error: StorageError) -> JobFailure {
    JobFailure::retryable("STORE", chain(&error))
}

fn payload(error: serde_json::Error) -> JobFailure {
    JobFailure::permanent("PAYLOAD", error)
}

/// Why a shard is not drawn whose generation job nobody wants any more.
const GENERATION_ENDED: &str = "GENERATION_ENDED";

fn stopped() -> JobFailure {
    JobFailure::retryable("STOPPED", "the drawing was stopped")
}

#[cfg(test)]
mod tests;
