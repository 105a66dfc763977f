//! Deals a generation job out in shards.

use std::collections::BTreeMap;
use std::time::Duration;

use agespan_jobs::{Handler, Job, JobContext, JobFailure, JobState, Jobs, JobsError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{GENERATION_ENDED, payload, stopped};
use crate::job::{DRAW_KIND, GenerateJob, Plan};
use crate::tally::Tally;

/// Shards that are queued or drawn at the same time: enough to keep many workers busy and to show
/// an autoscaler that there is work, few enough that a second generation job gets its turn.
const AHEAD: usize = 64;

/// How often the shards are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Works on generation jobs, many at a time: each only waits.
pub(crate) struct Dealer {
    pub(crate) jobs: Jobs,
}

/// How far a generation job is: all shards before `first` are drawn, and this is what they show.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Checkpoint {
    first: u32,
    tally: Tally,
}

/// A generation job under way. Shards are dealt in order of their number.
struct Deal<'a> {
    jobs: &'a Jobs,
    job: &'a str,
    plan: Plan,
    steps_made: u64,
    passed: Checkpoint,
    /// The first that is not dealt yet.
    next: u32,
    /// Ids of the shards that are dealt and not known to be drawn.
    open: BTreeMap<u32, String>,
    /// And of those that are drawn, while one before them is not, with what they show.
    drawn: BTreeMap<u32, (String, Tally)>,
}

#[async_trait]
impl Handler for Dealer {
    async fn run(&self, context: &JobContext, bytes: &[u8]) -> Result<String, JobFailure> {
        let job: GenerateJob = serde_json::from_slice(bytes).map_err(payload)?;
        let passed = context.checkpoint().and_then(|text| serde_json::from_str(text).ok());
        // Without it every shard is dealt again, and finds its images there.
        let passed: Checkpoint = passed.unwrap_or_default();
        let mut deal = Deal {
            jobs: &self.jobs,
            job: context.job_id(),
            plan: Plan::new(job.count),
            steps_made: job.steps_made,
            passed,
            next: passed.first,
            open: BTreeMap::new(),
            drawn: BTreeMap::new(),
        };
        let dealt = tokio::select! {
            dealt = deal.deal(context, job.count) => dealt,
            () = context.cancelled().cancelled() => Err(stopped()),
        };
        // Otherwise another dealer goes on.
        if dealt.as_ref().is_err_and(|failure| context.is_final(failure)) {
            deal.give_up().await;
        }
        dealt.map(|()| format!("jobs/{}", context.job_id()))
    }
}

impl Deal<'_> {
    async fn deal(&mut self, context: &JobContext, count: u32) -> Result<(), JobFailure> {
        loop {
            match self.go_on(context, count).await {
                Ok(()) if self.open.is_empty() && self.next == self.plan.shards() => return Ok(()),
                Ok(()) => {}
                // Redis is away. The shards are drawn meanwhile, and nothing is lost by waiting.
                Err(failure) if failure.retryable => tracing::debug!(%failure, "no news of shards"),
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Deals out what can be dealt, looks at what is open and says how far the job is.
    async fn go_on(&mut self, context: &JobContext, count: u32) -> Result<(), JobFailure> {
        while self.open.len() < AHEAD && self.next < self.plan.shards() {
            let id = self.submit(self.next).await?;
            self.open.insert(self.next, id);
            self.next += 1;
        }
        let under_way = self.look().await?;
        self.keep_checkpoint(context).await?;
        let images = self.images_drawn();
        let steps = u64::from(images) * self.steps_made
            + under_way.iter().map(|shard| shard.progress.done).sum::<u64>();
        let total = u64::from(count) * self.steps_made;
        let said = under_way.iter().find(|shard| !shard.progress.message.is_empty());
        let said = said.map(|shard| format!("; {}", shard.progress.message));
        let summed = self.passed.tally.words().filter(|_| images == count);
        let summed = summed.map(|words| format!(": {words}")).unwrap_or_default();
        let message = format!("{images} of {count} images{summed}{}", said.unwrap_or_default());
        context.progress(steps, total, &message).await?;
        Ok(())
    }

    /// The same number is the same job, however often it is submitted. One that ended without its
    /// images, before this job was tried again, makes room for another.
    async fn submit(&self, number: u32) -> Result<String, JobFailure> {
        let shard = serde_json::to_vec(&self.plan.shard(self.job, number)).map_err(payload)?;
        let request_id = format!("{}/{number}", self.job);
        let submit = || self.jobs.submit(DRAW_KIND, &shard, Some(request_id.clone()));
        let dealt = submit().await?;
        match dealt.state {
            JobState::Failed | JobState::Cancelled => {
                self.jobs.delete(&dealt.id).await?;
                Ok(submit().await?.id)
            }
            JobState::Queued | JobState::Running | JobState::Succeeded => Ok(dealt.id),
        }
    }

    /// Looks at the open shards and gives those that are still under way.
    async fn look(&mut self) -> Result<Vec<Job>, JobFailure> {
        let mut under_way = Vec::new();
        for (number, id) in self.open.clone() {
            let shard = match self.jobs.get(&id).await {
                Ok(shard) => shard,
                Err(JobsError::NotFound { .. }) => {
                    // Somebody deleted it. What it has drawn is there.
                    self.open.insert(number, self.submit(number).await?);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match shard.state {
                JobState::Succeeded => {
                    self.open.remove(&number);
                    // One of a version that did not count says nothing.
                    let tally = shard.result.and_then(|text| serde_json::from_str(&text).ok());
                    self.drawn.insert(number, (id, tally.unwrap_or_default()));
                }
                JobState::Failed => {
                    // Of a shard that ended because this job is cancelled it will be told as well.
                    let error = shard.error.filter(|error| error.reason != GENERATION_ENDED);
                    let error = error.ok_or_else(stopped)?;
                    return Err(JobFailure::permanent(error.reason, error.message));
                }
                JobState::Cancelled => {
                    let message = format!("its part jobs/{id} was cancelled");
                    return Err(JobFailure::permanent("PART_CANCELLED", message));
                }
                JobState::Queued | JobState::Running => under_way.push(shard),
            }
        }
        Ok(under_way)
    }

    /// Moves the checkpoint on, and only then forgets the shards that it passed.
    async fn keep_checkpoint(&mut self, context: &JobContext) -> Result<(), JobFailure> {
        let first = self.open.keys().next().copied().unwrap_or(self.next);
        if first == self.passed.first {
            return Ok(());
        }
        let mut tally = self.passed.tally;
        self.drawn.range(..first).for_each(|(_, (_, of_shard))| tally += *of_shard);
        let passed = Checkpoint { first, tally };
        let text = serde_json::to_string(&passed).map_err(payload)?;
        context.save_checkpoint(&text).await?;
        self.passed = passed;
        let waiting = self.drawn.split_off(&first);
        for (id, _) in std::mem::replace(&mut self.drawn, waiting).into_values() {
            if let Err(error) = self.jobs.delete(&id).await {
                tracing::debug!(%error, "a shard stays in the list of jobs");
            }
        }
        Ok(())
    }

    fn images_drawn(&self) -> u32 {
        let images = |number: u32| self.plan.shard(self.job, number).count;
        (0..self.passed.first).chain(self.drawn.keys().copied()).map(images).sum()
    }

    /// Ends the shards that are still open. Those that are being drawn stop by themselves as well:
    /// their painters watch the generation job.
    async fn give_up(&self) {
        for id in self.open.values() {
            match self.jobs.cancel(id).await {
                Ok(_) | Err(JobsError::AlreadyFinished { .. } | JobsError::NotFound { .. }) => {}
                Err(error) => tracing::debug!(%error, "a shard is not cancelled yet"),
            }
        }
    }
}
