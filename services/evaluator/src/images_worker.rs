//! The comparison of two sets of images as a job.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use agespan_jobs::{Handler, JobContext, JobFailure};
use agespan_service::status::chain;
use async_trait::async_trait;

use crate::images::{
    CompareError, Compared, Comparison, Extractor, Kept, Place, Seen, Set, SetError, compare,
};
use crate::reports::{AnyReport, Reports};
use crate::transport::Peers;

/// Kind of the job.
pub const KIND: &str = "evaluate-images";

/// Works on comparisons.
#[derive(Debug)]
pub struct Comparer {
    /// The services that have images.
    pub peers: Peers,
    /// Where reports go.
    pub reports: Reports,
    /// What was seen in references before.
    pub kept: Kept,
    /// The folder that `make setup` fills.
    pub first_weights: PathBuf,
}

#[async_trait]
impl Handler for Comparer {
    async fn run(&self, context: &JobContext, payload: &[u8]) -> Result<String, JobFailure> {
        let job: Comparison = serde_json::from_slice(payload)
            .map_err(|error| JobFailure::permanent("PAYLOAD", error))?;
        context.note_progress(0, 0, "reading the sets");
        let reference = self.set(&job.reference).await?;
        let candidate = match &job.candidate {
            Place::Reconstruction(path) => Set::reconstructed(&reference, path.clone()),
            place => self.set(place).await?,
        };
        let extractor = self.extractor(&job)?;
        let seen = self.seen(&reference, extractor.as_ref()).await;
        let known = seen.is_some();
        let work = Work { reference, candidate, job, extractor, seen };
        let (compared, work) = run(work, context.clone()).await?;
        if !known {
            self.keep(&work, compared.seen.as_ref()).await;
        }
        let report = AnyReport::Images(Box::new(compared.report));
        self.reports.publish(report).await
    }
}

/// What goes to the thread that compares, and comes back.
struct Work {
    reference: Set,
    candidate: Set,
    job: Comparison,
    extractor: Option<Extractor>,
    seen: Option<Seen>,
}

impl Comparer {
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
        let (Some(seen), Some(extractor)) = (seen, &work.extractor) else { return };
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

/// Compares on a thread of its own, which owns the network.
async fn run(mut work: Work, context: JobContext) -> Result<(Compared, Work), JobFailure> {
    let on_thread = move || {
        let seen = work.seen.take();
        let mut watch = |done, total| {
            context.note_progress(done, total, "looking at images");
            match context.cancelled().is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let Work { reference, candidate, job, extractor, .. } = &work;
        let (metrics, extractor) = (&job.metrics, extractor.as_ref());
        let compared = compare(reference, candidate, metrics, extractor, seen, &mut watch);
        compared.map(|compared| (compared, work)).map_err(failure)
    };
    tokio::task::spawn_blocking(on_thread)
        .await
        .map_err(|error| JobFailure::retryable("COMPARISON_PANICKED", error))?
}

fn failure(error: CompareError) -> JobFailure {
    match error {
        CompareError::Stopped => JobFailure::retryable("STOPPED", error),
        CompareError::Set { source: SetError::Peer(failure), .. } => failure,
        other => JobFailure::permanent(other.reason(), chain(&other)),
    }
}
