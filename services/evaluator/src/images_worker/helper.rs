//! Workers that help with a large comparison.
//!
//! The comparison goes through its parts from the first to the last and takes those that are there;
//! helpers look at them from the last to the first, until both meet. Nobody waits for anybody, and a
//! helper that is killed costs its part.

use std::sync::Arc;

use agespan_jobs::{Handler, JobContext, JobFailure, Jobs, JobsError};
use agespan_service::status::chain;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Comparer, failure, go_on, on_thread};
use crate::images::{Comparison, Place, Side, look_at_part};

/// Kind of the job of a helper.
pub const HELP_KIND: &str = "look-at-images";
/// Parts of a set from which on it is worth to be helped.
const MANY: u64 = 3;
/// Why a part is not looked at any more.
const NOT_NEEDED: &str = "not needed any more";

/// One part.
#[derive(Debug, Serialize, Deserialize)]
struct Help {
    /// The comparison's id.
    job: String,
    comparison: Comparison,
    side: Side,
    number: u64,
}

/// What was handed out for a comparison.
pub(super) struct Handed {
    jobs: Jobs,
    ids: Vec<String>,
}

impl Handed {
    /// Hands out the parts of a side of so many files, all but the first. A comparison that is tried
    /// again finds those that were handed out before.
    pub(super) async fn out(
        jobs: &Jobs,
        id: &str,
        comparison: &Comparison,
        sides: &[(Side, Option<u64>)],
        size: u64,
    ) -> Self {
        let mut handed = Self { jobs: jobs.clone(), ids: Vec::new() };
        for &(side, files) in sides {
            let parts = files.unwrap_or(0).div_ceil(size);
            for number in (1..parts).rev().filter(|_| parts >= MANY) {
                let (job, comparison) = (id.to_owned(), comparison.clone());
                let help = Help { job, comparison, side, number };
                if let Err(error) = handed.submit(&help).await {
                    // The comparison looks at it itself.
                    tracing::debug!(error = %chain(&error), "a part is not handed out");
                    return handed;
                }
            }
        }
        handed
    }

    async fn submit(&mut self, help: &Help) -> Result<(), JobsError> {
        // Never fails: names and numbers.
        let payload = serde_json::to_vec(help).unwrap_or_default();
        let request_id = format!("{}/{}/{}", help.job, help.side.word(), help.number);
        let job = self.jobs.submit(HELP_KIND, &payload, Some(request_id)).await?;
        self.ids.push(job.id);
        Ok(())
    }

    /// Takes back what nobody has begun, stops the others and forgets them all.
    pub(super) async fn take_back(self) {
        for id in &self.ids {
            // A helper that is looking sees by itself that its comparison has ended.
            let _ = self.jobs.cancel(id).await;
            if let Err(error) = self.jobs.delete(id).await {
                tracing::debug!(error = %chain(&error), "a part stays in the list of jobs");
            }
        }
    }
}

/// Looks at parts of comparisons that others do.
#[derive(Debug)]
pub struct Helper {
    /// What it has in common with whoever compares.
    pub comparer: Arc<Comparer>,
}

#[async_trait]
impl Handler for Helper {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let help: Help = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("PAYLOAD", error))?;
        // Two networks on the same processors are no faster than one.
        let _alone = self.comparer.alone(context).await?;
        match self.help(context, help).await {
            // Files that are not on this machine are no fault of anybody: the comparison has them. If it
            // has not, it fails itself and says so.
            Err(failure) if !failure.retryable => Ok(format!("not looked at: {failure}")),
            helped => helped,
        }
    }
}

impl Helper {
    async fn help(&self, context: &JobContext, help: Help) -> Result<String, JobFailure> {
        let (side, number) = (help.side, help.number);
        let Some(extractor) = self.comparer.extractor(&help.comparison)? else {
            return Ok(NOT_NEEDED.to_owned());
        };
        if !self.is_wanted(context, &help).await? {
            return Ok(NOT_NEEDED.to_owned());
        }
        let set = match (side, &help.comparison.candidate) {
            (Side::Reference, _) => self.comparer.set(&help.comparison.reference).await?,
            // Of the reference.
            (_, Place::Reconstruction(_)) => self.comparer.sets(&help.comparison).await?.1,
            (_, place) => self.comparer.set(place).await?,
        };
        let ledger = self.comparer.ledger(&help.job, &extractor);
        if ledger.get(&set, side, number).await.is_ok_and(|part| part.is_some()) {
            return Ok(NOT_NEEDED.to_owned());
        }
        let (size, watching) = (ledger.size, context.clone());
        let look = move || {
            let mut done = 0;
            let mut watch = |more| {
                done += more;
                watching.note_progress(done, size, "looking at a part of a comparison");
                go_on(&watching)
            };
            let part = look_at_part(&set, side, &extractor, number, size, &mut watch);
            part.map(|part| (set, part))
        };
        let (set, part) = on_thread(look).await?.map_err(failure)?;
        let kept = ledger.put(&set, side, number, &part).await;
        kept.map_err(|error| JobFailure::retryable("STORE", chain(&error)))?;
        if !self.is_wanted(context, &help).await? {
            // Its parts may have been forgotten meanwhile: nobody else will forget this one.
            let _ = ledger.clear().await;
        }
        Ok(format!("{} files", part.files))
    }

    /// Whether neither the comparison nor this part of it has ended or is asked to stop. One of them is
    /// before a comparison forgets its parts, so that one that is still wanted once it is kept will be
    /// forgotten with the others.
    async fn is_wanted(&self, context: &JobContext, help: &Help) -> Result<bool, JobFailure> {
        for id in [context.job_id(), &help.job] {
            let wanted = match self.comparer.jobs.get(id).await {
                Ok(job) => !job.state.is_terminal() && !job.cancel_requested,
                Err(JobsError::NotFound { .. }) => false,
                Err(error) => return Err(error.into()),
            };
            if !wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
