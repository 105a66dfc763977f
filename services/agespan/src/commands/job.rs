//! `agespan job`.

use agespan_client::proto::job::v1 as proto;
use anyhow::Result;
use serde_json::json;

use crate::arguments::{Job, JobState};
use crate::commands::{Session, resource};
use crate::show;

/// Runs one of the commands about jobs.
pub(crate) async fn run(session: &Session, command: Job) -> Result<()> {
    let mut client = session.client.jobs();
    let name = |name: &str| resource("jobs", name);
    let jobs = match command {
        Job::List { state, kind } => {
            let state = state.map_or(proto::JobState::Unspecified, of_proto).into();
            let kind = kind.unwrap_or_default();
            let request = proto::ListJobsRequest { state, kind, ..Default::default() };
            client.list_jobs(request).await?.into_inner().jobs
        }
        Job::Show { name: job } => {
            let request = proto::GetJobRequest { name: name(&job) };
            client.get_job(request).await?.into_inner().job.into_iter().collect()
        }
        Job::Cancel { name: job } => {
            let request = proto::CancelJobRequest { name: name(&job) };
            client.cancel_job(request).await?.into_inner().job.into_iter().collect()
        }
        Job::Retry { name: job } => {
            let request = proto::RetryJobRequest { name: name(&job) };
            client.retry_job(request).await?.into_inner().job.into_iter().collect()
        }
        Job::Watch { name: job } => {
            let job = proto::Job { name: name(&job), ..Default::default() };
            println!("{}", session.follow("working", Some(job)).await?);
            return Ok(());
        }
    };
    let mut table = show::table(&["job", "kind", "state", "progress", "result or error"]);
    for job in jobs {
        if session.json {
            println!("{}", to_json(&job));
        } else {
            table.add_row(row(&job));
        }
    }
    if !session.json {
        println!("{table}");
    }
    Ok(())
}

fn of_proto(state: JobState) -> proto::JobState {
    match state {
        JobState::Queued => proto::JobState::Queued,
        JobState::Running => proto::JobState::Running,
        JobState::Succeeded => proto::JobState::Succeeded,
        JobState::Failed => proto::JobState::Failed,
        JobState::Cancelled => proto::JobState::Cancelled,
    }
}

fn state(job: &proto::Job) -> String {
    job.state().as_str_name().trim_start_matches("JOB_STATE_").to_lowercase()
}

fn row(job: &proto::Job) -> Vec<String> {
    let progress = job.progress.clone().unwrap_or_default();
    let error = job.error.clone().map(|error| error.message).unwrap_or_default();
    vec![
        job.name.clone(),
        job.kind.clone(),
        state(job),
        format!("{}/{} {}", progress.done, progress.total, progress.message),
        if job.result.is_empty() { error } else { job.result.clone() },
    ]
}

fn to_json(job: &proto::Job) -> serde_json::Value {
    let progress = job.progress.clone().unwrap_or_default();
    let error = job.error.clone();
    json!({
        "name": job.name, "kind": job.kind, "state": state(job),
        "done": progress.done, "total": progress.total, "message": progress.message,
        "attempt": job.attempt, "result": job.result,
        "error": error.map(|error| json!({"reason": error.reason, "message": error.message})),
    })
}
