//! A job as a stream of its states.

use std::time::Duration;

use futures_util::{StreamExt, stream, stream::BoxStream};

use crate::{Job, Jobs, JobsError};

/// Half of what a person perceives as a delay would be 50 ms; jobs take minutes.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// What the stream does when it is asked for the next item.
enum Next {
    First,
    ChangeAfter(u64),
    End,
}

pub(crate) fn watch(jobs: Jobs, id: String) -> BoxStream<'static, Result<Job, JobsError>> {
    stream::unfold((jobs, id, Next::First), |(jobs, id, next)| async move {
        let item = match next {
            Next::First => Some(jobs.get(&id).await),
            Next::ChangeAfter(revision) => change_after(&jobs, &id, revision).await.transpose(),
            Next::End => None,
        }?;
        let next = match &item {
            Ok(job) if !job.state.is_terminal() => Next::ChangeAfter(job.revision),
            _ => Next::End,
        };
        Some((item, (jobs, id, next)))
    })
    .boxed()
}

/// Waits until the job has another revision; `None` when it was deleted.
async fn change_after(jobs: &Jobs, id: &str, seen: u64) -> Result<Option<Job>, JobsError> {
    loop {
        tokio::time::sleep(POLL_EVERY).await;
        match jobs.field::<Option<u64>>(id, "revision").await? {
            None => return Ok(None),
            Some(revision) if revision == seen => {}
            Some(_) => match jobs.get(id).await {
                Err(JobsError::NotFound { .. }) => return Ok(None),
                job => return job.map(Some),
            },
        }
    }
}
