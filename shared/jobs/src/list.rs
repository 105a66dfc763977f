//! Pages of jobs, newest first.

use redis::Pipeline;

use crate::{Job, JobState, Jobs, JobsError, job::FIELDS, keys::check_kind};

const MAX_PAGE_SIZE: usize = 1000;

/// How many jobs one round trip looks at, at least, when a filter lets few of them through.
const MIN_SCAN: usize = 100;

/// Which jobs to list. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only jobs of this kind.
    pub kind: Option<String>,
    /// Only jobs that are in this state when they are looked at.
    pub state: Option<JobState>,
}

/// One entry of an index: a job's sequence number, and the job if it still exists.
struct Found {
    number: u64,
    id: String,
    job: Option<Job>,
}

pub(crate) async fn list(
    jobs: &Jobs,
    filter: &ListFilter,
    page_size: usize,
    page_token: Option<&str>,
) -> Result<(Vec<Job>, Option<String>), JobsError> {
    if let Some(kind) = &filter.kind {
        check_kind(kind)?;
    }
    let page_size = page_size.clamp(1, MAX_PAGE_SIZE);
    let mut below = page_token.map(parse_token).transpose()?;
    let mut page = Vec::new();
    loop {
        let scan = page_size.max(MIN_SCAN);
        let found = scan_index(jobs, filter, below, scan).await?;
        let is_last = found.len() < scan;
        for found in found {
            if page.len() == page_size {
                return Ok((page, below.map(|number| number.to_string())));
            }
            below = Some(found.number);
            page.extend(found.job.filter(|job| matches(filter, job)));
        }
        if is_last {
            return Ok((page, None));
        }
    }
}

fn matches(filter: &ListFilter, job: &Job) -> bool {
    filter.state.is_none_or(|state| state == job.state)
}

/// A token is the sequence number of the last job that was looked at: jobs that come or go between
/// two pages neither repeat nor hide others.
fn parse_token(token: &str) -> Result<u64, JobsError> {
    token
        .parse()
        .map_err(|_| JobsError::invalid("page_token", "must be one that a list has returned"))
}

async fn scan_index(
    jobs: &Jobs,
    filter: &ListFilter,
    below: Option<u64>,
    count: usize,
) -> Result<Vec<Found>, JobsError> {
    let mut command = redis::cmd("ZREVRANGEBYSCORE");
    command
        .arg(jobs.keys().index(filter.kind.as_deref()))
        .arg(below.map_or_else(|| "+inf".to_owned(), |number| format!("({number}")))
        .arg("-inf")
        .arg("WITHSCORES")
        .arg(&["LIMIT", "0"])
        .arg(count);
    let entries: Vec<(String, u64)> = jobs.store().command("list jobs", &command).await?;
    let found = load(jobs, entries).await?;
    drop_expired(jobs, filter, &found).await;
    Ok(found)
}

async fn load(jobs: &Jobs, entries: Vec<(String, u64)>) -> Result<Vec<Found>, JobsError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    for (id, _) in &entries {
        pipeline.cmd("HMGET").arg(jobs.keys().job(id)).arg(&FIELDS);
    }
    let hashes: Vec<Vec<Option<String>>> = jobs.store().pipeline("list jobs", &pipeline).await?;
    let mut found = Vec::with_capacity(entries.len());
    for ((id, number), fields) in entries.into_iter().zip(hashes) {
        let job = Job::from_fields(fields)?;
        found.push(Found { number, id, job });
    }
    Ok(found)
}

/// Hashes expire by themselves, their index entries do not: whoever notices removes them. A job and
/// its entries appear in one step, so an entry without a job is never one that is just being made.
async fn drop_expired(jobs: &Jobs, filter: &ListFilter, found: &[Found]) {
    let gone: Vec<&str> =
        found.iter().filter(|found| found.job.is_none()).map(|found| found.id.as_str()).collect();
    if gone.is_empty() {
        return;
    }
    let mut command = redis::cmd("ZREM");
    command.arg(jobs.keys().index(filter.kind.as_deref())).arg(&gone);
    // Nobody asked for this; the next list tries again.
    if let Err(error) = jobs.store().command::<u64>("tidy the index", &command).await {
        tracing::debug!(%error, "expired jobs stay in the index");
    }
}
