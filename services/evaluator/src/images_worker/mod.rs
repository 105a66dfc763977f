//! The comparison of two sets of images as a job.
//!
//! * [`Comparer`] does it, on a thread of its own, which owns the network.
//! * `ledger`: what was seen so far, so that another worker can go on, and others can help.
//! * [`Helper`]: those others.

mod helper;
mod ledger;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agespan_jobs::{Handler, JobContext, JobFailure, Jobs};
use agespan_service::status::chain;
use agespan_storage::Storage;
use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::images::{
    Before, CompareError, Compared, Comparison, Extractor, Kept, PART, Parts, Place, Seen, Set,
    SetError, Side, Unkept, compare,
};
use crate::reports::{AnyReport, Reports};
use crate::transport::Peers;
use helper::Handed;
pub use helper::{HELP_KIND, Helper};
use ledger::Ledger;

/// Kind of the job.
pub const KIND: &str = "evaluate-images";

/// Works on comparisons.
#[derive(Debug)]
pub struct Comparer {
    peers: Peers,
    jobs: Jobs,
    reports: Reports,
    storage: Storage,
    kept: Kept,
    first_weights: PathBuf,
    part_size: u64,
    /// One network at a time looks at images here.
    alone: Arc<Mutex<()>>,
}

#[async_trait]
impl Handler for Comparer {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let job: Comparison = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("PAYLOAD", error))?;
        let Some(extractor) = self.extractor(&job)? else {
            let compared = self.compare(context, job, None).await?;
            return self.publish(compared).await;
        };
        let ledger = self.ledger(context.job_id(), &extractor);
        let compared = self.compare(context, job, Some((extractor, ledger.clone()))).await;
        if context.is_over(&compared) {
            // What is left behind takes room and nothing else.
            if let Err(error) = ledger.clear().await {
                tracing::warn!(error = %chain(&error), "parts of a comparison stay");
            }
        }
        self.publish(compared?).await
    }
}

/// What goes to the thread that compares, and comes back.
struct Work {
    reference: Set,
    candidate: Set,
    job: Comparison,
    looker: Option<(Extractor, Ledger)>,
    seen: Option<Seen>,
}

impl Comparer {
    /// With these services, in this store; `first_weights` is the folder that `make setup` fills.
    pub fn new(
        peers: Peers,
        jobs: Jobs,
        reports: Reports,
        storage: Storage,
        first_weights: PathBuf,
    ) -> Self {
        let kept = Kept::new(storage.clone());
        let alone = Arc::default();
        Self { peers, jobs, reports, storage, kept, first_weights, part_size: PART, alone }
    }

    /// With parts of so many files.
    #[cfg(test)]
    fn with_part_size(self, part_size: u64) -> Self {
        Self { part_size, ..self }
    }

    async fn compare(
        &self,
        context: &JobContext,
        job: Comparison,
        looker: Option<(Extractor, Ledger)>,
    ) -> Result<Compared, JobFailure> {
        context.note_progress(0, 0, "reading the sets");
        let (reference, candidate) = self.sets(&job).await?;
        let seen = self.seen(&reference, looker.as_ref().map(|(extractor, _)| extractor)).await;
        let known = seen.is_some();
        // Before a helper of this process begins.
        let _alone = self.alone(context).await?;
        let sides = [(Side::Reference, reference.count), (Side::Candidates, candidate.count)];
        let to_look_at = match &looker {
            Some(_) => &sides[usize::from(known)..],
            None => &[],
        };
        let handed = Handed::out(&self.jobs, context.job_id(), &job, to_look_at, self.part_size);
        let handed = handed.await;
        let work = Work { reference, candidate, job, looker, seen };
        let compared = run(work, context.clone()).await;
        if context.is_over(&compared) {
            handed.take_back().await;
        }
        let (compared, work) = compared?;
        if !known {
            self.keep(&work, compared.seen.as_ref()).await;
        }
        Ok(compared)
    }

    async fn publish(&self, compared: Compared) -> Result<String, JobFailure> {
        self.reports.publish(AnyReport::Images(Box::new(compared.report))).await
    }

    /// The right to look at images in this process, unless the job is to stop before.
    async fn alone(&self, context: &JobContext) -> Result<OwnedMutexGuard<()>, JobFailure> {
        tokio::select! {
            alone = self.alone.clone().lock_owned() => Ok(alone),
            () = context.cancelled().cancelled() => Err(failure(CompareError::Stopped)),
        }
    }

    fn ledger(&self, job: &str, extractor: &Extractor) -> Ledger {
        Ledger {
            storage: self.storage.clone(),
            runtime: Handle::current(),
            job: job.to_owned(),
            extractor: extractor.to_string(),
            size: self.part_size,
        }
    }

    async fn sets(&self, job: &Comparison) -> Result<(Set, Set), JobFailure> {
        let reference = self.set(&job.reference).await?;
        let candidate = match &job.candidate {
            Place::Reconstruction(path) => Set::reconstructed(&reference, path.clone()),
            place => self.set(place).await?,
        };
        Ok((reference, candidate))
    }

    async fn set(&self, place: &Place) -> Result<Set, JobFailure> {
        match place {
            Place::Dataset { name, split } => self.peers.split_set(name, *split).await,
            Place::Job(name) => self.peers.drawn_set(name).await,
            Place::Path(path) => set_at(path).await,
            Place::Reconstruction(_) => {
                Err(JobFailure::permanent("PAYLOAD", "the reference is a reconstruction"))
            }
        }
    }

    fn extractor(&self, job: &Comparison) -> Result<Option<Extractor>, JobFailure> {
        if job.metrics.iter().all(|metric| metric.is_paired()) {
            return Ok(None);
        }
        let found = Extractor::find(&job.extractor, &self.first_weights);
        found.map(Some).map_err(|error| JobFailure::permanent("EXTRACTOR", chain(&error)))
    }

    /// What was seen in the reference before. What cannot be read is looked at again.
    async fn seen(&self, reference: &Set, extractor: Option<&Extractor>) -> Option<Seen> {
        let (hash, extractor) = (reference.content_hash.as_ref()?, extractor?);
        match self.kept.find(hash, extractor).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "statistics of a reference cannot be read");
                None
            }
        }
    }

    /// Keeps what was seen. It can be seen again, so that a failure costs nothing but time.
    async fn keep(&self, work: &Work, seen: Option<&Seen>) {
        let (Some(seen), Some((extractor, _))) = (seen, &work.looker) else { return };
        let Some(hash) = &work.reference.content_hash else { return };
        if let Err(error) = self.kept.keep(hash, extractor, seen).await {
            tracing::warn!(error = %chain(&error), "statistics of a reference cannot be kept");
        }
    }
}

async fn set_at(path: &Path) -> Result<Set, JobFailure> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || Set::at(&path))
        .await
        .map_err(|error| JobFailure::retryable("SOURCE", error))?
        .map_err(|error| JobFailure::permanent("SOURCE", chain(&error)))
}

fn go_on(context: &JobContext) -> ControlFlow<()> {
    match context.cancelled().is_cancelled() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// Runs what looks at images on a thread that may block.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobFailure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| JobFailure::retryable("COMPARISON_PANICKED", error))
}

async fn run(mut work: Work, context: JobContext) -> Result<(Compared, Work), JobFailure> {
    let compare = move || {
        let mut watch = |done, total| {
            context.note_progress(done, total, "looking at images");
            go_on(&context)
        };
        let seen = work.seen.take();
        let Work { reference, candidate, job, looker, .. } = &work;
        let (extractor, parts): (_, &dyn Parts) = match looker {
            Some((extractor, ledger)) => (Some(extractor), ledger),
            None => (None, &Unkept),
        };
        let before = Before { reference: seen, parts };
        let compared = compare(reference, candidate, &job.metrics, extractor, before, &mut watch);
        compared.map(|compared| (compared, work)).map_err(failure)
    };
    on_thread(compare).await?
}

fn failure(error: CompareError) -> JobFailure {
    match error {
        CompareError::Stopped => JobFailure::retryable("STOPPED", error),
        CompareError::Set { source: SetError::Peer(failure), .. } => failure,
        other => JobFailure::permanent(other.reason(), chain(&other)),
    }
}
