//! Redis goes away and comes back: what needs no job state goes on.

use std::fs;
use std::time::Duration;

use agespan_client::proto::dataset::v1::ImportDatasetRequest;
use agespan_client::proto::estimator::v1::EstimateAgeRequest;
use agespan_client::proto::job::v1::ListJobsRequest;
use agespan_tests::{Process, Sandbox, faces};
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const JOBS: &str = "agespan.job.v1.JobService";
const ESTIMATOR: &str = "agespan.estimator.v1.EstimatorService";

fn asks_to_try_again(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(delay > Duration::ZERO);
}

async fn until(server: &Process, health: &str) {
    for _ in 0..1200 {
        if server.health(JOBS).await.unwrap() == health {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{JOBS} is not {health}: {}", server.log());
}

#[tokio::test]
async fn what_needs_no_jobs_goes_on_without_redis() {
    let mut sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    until(&server, "SERVING").await;
    sandbox.redis_goes();
    until(&server, "NOT_SERVING").await;

    assert_eq!(server.health(ESTIMATOR).await.unwrap(), "SERVING");
    assert_eq!(server.health("").await.unwrap(), "SERVING");
    let image = fs::read(faces::portrait()).unwrap().into();
    let request = EstimateAgeRequest { image, ..Default::default() };
    server.client.estimator().estimate_age(request).await.unwrap();
    let listed = server.client.jobs().list_jobs(ListJobsRequest::default()).await;
    asks_to_try_again(&listed.unwrap_err());
    faces::write(&sandbox.path("faces"), 3);
    let import = || ImportDatasetRequest {
        dataset_id: "faces".into(),
        source: sandbox.path("faces").to_str().unwrap().into(),
        request_id: "one".into(),
        ..Default::default()
    };
    let imported = server.client.datasets().import_dataset(import()).await;
    asks_to_try_again(&imported.unwrap_err());

    let repeated = import();
    sandbox.redis_returns().await;
    until(&server, "SERVING").await;
    // The caller repeats, as it was told to.
    let job = server.client.datasets().import_dataset(repeated).await.unwrap().into_inner().job;
    let jobs = server.client.jobs().list_jobs(ListJobsRequest::default()).await.unwrap();
    assert_eq!(jobs.into_inner().jobs[0].name, job.unwrap().name);
}

#[tokio::test]
async fn failed_jobs_are_listed_and_retried_on_the_command_line() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let failed = sandbox.agespan(&server, &["train", "--dataset", "none"]).await;
    assert_eq!(failed.code, 1);
    let listed = sandbox.agespan(&server, &["--json", "job", "list", "--state", "failed"]).await;
    assert_eq!(listed.code, 0, "{}", listed.err);
    let line = listed.out.lines().next().expect("the failed job");
    let job: serde_json::Value = serde_json::from_str(line).unwrap();
    assert!(!job["error"]["reason"].as_str().unwrap().is_empty(), "{line}");
    let name = job["name"].as_str().unwrap();
    let retried = sandbox.agespan(&server, &["--json", "job", "retry", name]).await;
    assert_eq!(retried.code, 0, "{}", retried.err);
    assert!(retried.out.contains(name), "{}", retried.out);
    // By now it may be anywhere between queued and failed again.
    assert_eq!(sandbox.agespan(&server, &["job", "watch", name]).await.code, 1);
    assert_eq!(server.log().matches("the attempt starts").count(), 2);
}
