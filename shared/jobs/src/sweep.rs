//! Looks through the indexes for jobs that have expired.

use crate::{Jobs, JobsError, scripts};

/// Entries that one step looks at: a fraction of a millisecond of Redis's time.
const PART: u32 = 1000;

/// Where the search stands in the index of all jobs and in that of one kind.
#[derive(Debug)]
pub(crate) struct Sweep {
    places: [(Option<String>, u64); 2],
}

impl Sweep {
    pub(crate) fn new(kind: &str) -> Self {
        Self { places: [(None, 0), (Some(kind.to_owned()), 0)] }
    }

    /// Looks at the next part of each; after the last comes the first again.
    pub(crate) async fn next_part(&mut self, jobs: &Jobs) -> Result<(), JobsError> {
        for (kind, after) in &mut self.places {
            let index = jobs.keys().index(kind.as_deref());
            let mut call = scripts::SWEEP.prepare_invoke();
            call.key(&index).key(&index).arg(jobs.keys().job_prefix()).arg(*after).arg(PART);
            *after = jobs.store().script("tidy the index", &call).await?.take(1)?;
        }
        Ok(())
    }
}
