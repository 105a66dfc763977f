//! `agespan.job.v1.JobService`.

use agespan_jobs::{Job, JobState, Jobs, ListFilter};
use agespan_proto::job::v1 as proto;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::Serialize;
use tonic::{Request, Response, Status};

use crate::page::PageLimits;
use crate::status;

/// Answers for every job in the store, of whatever service.
pub struct JobTransport {
    jobs: Jobs,
}

impl JobTransport {
    /// On this store.
    pub fn new(jobs: Jobs) -> Self {
        Self { jobs }
    }
}

#[tonic::async_trait]
impl proto::job_service_server::JobService for JobTransport {
    type WatchJobStream = BoxStream<'static, Result<proto::WatchJobResponse, Status>>;

    async fn get_job(
        &self,
        request: Request<proto::GetJobRequest>,
    ) -> Result<Response<proto::GetJobResponse>, Status> {
        let job = self.jobs.get(id(&request.get_ref().name)?).await.map_err(status::from_jobs)?;
        Ok(Response::new(proto::GetJobResponse { job: Some(job_to_proto(job)) }))
    }

    async fn list_jobs(
        &self,
        request: Request<proto::ListJobsRequest>,
    ) -> Result<Response<proto::ListJobsResponse>, Status> {
        let request = request.into_inner();
        let size = PageLimits::USUAL.size(request.page_size)?;
        let state = state_filter(&request)?;
        let kind = (!request.kind.is_empty()).then_some(request.kind);
        let token = (!request.page_token.is_empty()).then_some(request.page_token.as_str());
        let (jobs, next) = self
            .jobs
            .list(&ListFilter { kind, state }, size, token)
            .await
            .map_err(status::from_jobs)?;
        Ok(Response::new(proto::ListJobsResponse {
            jobs: jobs.into_iter().map(job_to_proto).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn watch_job(
        &self,
        request: Request<proto::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let id = id(&request.get_ref().name)?;
        // An unknown job is an error of the call, not of its stream.
        self.jobs.get(id).await.map_err(status::from_jobs)?;
        let changes = self.jobs.watch(id).map(|job| match job {
            Ok(job) => Ok(proto::WatchJobResponse { job: Some(job_to_proto(job)) }),
            Err(error) => Err(status::from_jobs(error)),
        });
        Ok(Response::new(changes.boxed()))
    }

    async fn cancel_job(
        &self,
        request: Request<proto::CancelJobRequest>,
    ) -> Result<Response<proto::CancelJobResponse>, Status> {
        let job =
            self.jobs.cancel(id(&request.get_ref().name)?).await.map_err(status::from_jobs)?;
        Ok(Response::new(proto::CancelJobResponse { job: Some(job_to_proto(job)) }))
    }

    async fn retry_job(
        &self,
        request: Request<proto::RetryJobRequest>,
    ) -> Result<Response<proto::RetryJobResponse>, Status> {
        let job = self.jobs.retry(id(&request.get_ref().name)?).await.map_err(status::from_jobs)?;
        Ok(Response::new(proto::RetryJobResponse { job: Some(job_to_proto(job)) }))
    }

    async fn delete_job(
        &self,
        request: Request<proto::DeleteJobRequest>,
    ) -> Result<Response<proto::DeleteJobResponse>, Status> {
        self.jobs.delete(id(&request.get_ref().name)?).await.map_err(status::from_jobs)?;
        Ok(Response::new(proto::DeleteJobResponse {}))
    }
}

fn id(name: &str) -> Result<&str, Status> {
    status::resource_id("name", "jobs", name)
}

fn state_filter(request: &proto::ListJobsRequest) -> Result<Option<JobState>, Status> {
    match proto::JobState::try_from(request.state) {
        Ok(proto::JobState::Unspecified) => Ok(None),
        Ok(proto::JobState::Queued) => Ok(Some(JobState::Queued)),
        Ok(proto::JobState::Running) => Ok(Some(JobState::Running)),
        Ok(proto::JobState::Succeeded) => Ok(Some(JobState::Succeeded)),
        Ok(proto::JobState::Failed) => Ok(Some(JobState::Failed)),
        Ok(proto::JobState::Cancelled) => Ok(Some(JobState::Cancelled)),
        Err(_) => Err(status::invalid("state", "UNKNOWN_ENUM", "not a JobState")),
    }
}

/// Stores a job and describes it. An empty request id makes a new job each time.
pub async fn submit(
    jobs: &Jobs,
    kind: &str,
    payload: &impl Serialize,
    request_id: String,
) -> Result<proto::Job, Status> {
    let payload = serde_json::to_vec(payload).map_err(|error| status::internal(&error))?;
    let request_id = (!request_id.is_empty()).then_some(request_id);
    let job = jobs.submit(kind, &payload, request_id).await.map_err(status::from_jobs)?;
    Ok(job_to_proto(job))
}

/// A job as the protocol has it.
pub fn job_to_proto(job: Job) -> proto::Job {
    let state = match job.state {
        JobState::Queued => proto::JobState::Queued,
        JobState::Running => proto::JobState::Running,
        JobState::Succeeded => proto::JobState::Succeeded,
        JobState::Failed => proto::JobState::Failed,
        JobState::Cancelled => proto::JobState::Cancelled,
    };
    let error = job.error.or(job.last_error);
    proto::Job {
        name: format!("jobs/{}", job.id),
        kind: job.kind,
        state: state.into(),
        progress: Some(proto::JobProgress {
            done: job.progress.done,
            total: job.progress.total,
            message: job.progress.message,
        }),
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        result: job.result.unwrap_or_default(),
        error: error.map(|error| proto::JobError { reason: error.reason, message: error.message }),
        cancel_requested: job.cancel_requested,
        create_time: Some(timestamp(job.created)),
        start_time: job.started.map(timestamp),
        finish_time: job.finished.map(timestamp),
    }
}

/// An instant as the protocol has it.
pub fn timestamp(instant: jiff::Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: instant.as_second(), nanos: instant.subsec_nanosecond() }
}
