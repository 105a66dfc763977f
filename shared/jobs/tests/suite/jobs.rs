//! What a server does with jobs: submit, look up, list, cancel, delete, watch.

use std::{collections::HashSet, time::Duration};

use crate::support::{claim, config, start, start_with, wait_for, wait_for_job};
use agespan_jobs::{
    Job, JobState, Jobs, JobsError, ListFilter, MAX_PAYLOAD_BYTES, PrivateRedis, Progress, Queue,
};
use futures_util::{StreamExt, TryStreamExt};

const KIND: &str = "train-model";

#[tokio::test]
async fn a_job_lives_from_queued_to_deleted() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let payload = [0, 159, 146, 150];

    let job = jobs.submit(KIND, &payload, None).await.expect("submits");
    assert_eq!((job.state, job.attempt, job.max_attempts), (JobState::Queued, 0, 3));
    assert_eq!(jobs.payload(&job.id).await.expect("is there"), payload);
    assert!(matches!(
        jobs.delete(&job.id).await,
        Err(JobsError::NotFinished { state: JobState::Queued, .. })
    ));

    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let (lease, delivered) = claim(&mut queue).await;
    assert_eq!(delivered, payload);
    let progress = Progress { done: 3, total: 9, message: "epoch 3".to_owned() };
    lease.progress(&progress).await.expect("holds the lease");
    let behind = Progress { done: 2, ..progress.clone() };
    lease.progress(&behind).await.expect("is ignored");
    lease.save_checkpoint("epoch-3").await.expect("holds the lease");
    let running = jobs.get(&job.id).await.expect("is there");
    assert_eq!((running.state, running.attempt, running.fence), (JobState::Running, 1, 1));
    assert_eq!(running.worker.as_deref(), Some(queue.consumer()));
    assert_eq!(running.progress, progress);
    assert!(running.started >= Some(job.created) && running.lease_expires > running.started);

    lease.succeed("models/7").await.expect("holds the lease");
    lease.succeed("models/7").await.expect("a repeated end is the same end");
    let done = jobs.get(&job.id).await.expect("is there");
    assert_eq!((done.state, done.result.as_deref()), (JobState::Succeeded, Some("models/7")));
    assert!(done.finished >= done.started && done.worker.is_none());
    assert_eq!(jobs.checkpoint(&job.id).await.expect("is there").as_deref(), Some("epoch-3"));
    assert!(matches!(
        jobs.cancel(&job.id).await,
        Err(JobsError::AlreadyFinished { state: JobState::Succeeded, .. })
    ));
    assert_eq!(queue.statistics().await.expect("redis answers").pending, 0);

    jobs.delete(&job.id).await.expect("is finished");
    assert!(matches!(jobs.get(&job.id).await, Err(JobsError::NotFound { .. })));
    assert!(list_all(jobs, &ListFilter::default(), 10).await.is_empty());
}

#[tokio::test]
async fn concurrent_submits_with_one_request_id_make_one_job() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let request = Some("request-1".to_owned());
    let submits = (0..32).map(|_| jobs.submit(KIND, b"same", request.clone()));
    let made = futures_util::future::try_join_all(submits).await.expect("all submit");
    let ids: HashSet<String> = made.into_iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(list_all(jobs, &ListFilter::default(), 10).await.len(), 1);

    let reused = jobs.submit(KIND, b"other", request.clone()).await;
    assert!(matches!(reused, Err(JobsError::RequestIdReused { id, .. }) if ids.contains(&id)));
    let other_kind = jobs.submit("import-dataset", b"other", request.clone()).await;
    assert!(!ids.contains(&other_kind.expect("another kind, another request").id));

    // A deleted job no longer claims its request id.
    let id = ids.into_iter().next().expect("one id");
    jobs.cancel(&id).await.expect("is queued");
    jobs.delete(&id).await.expect("is finished");
    let again = jobs.submit(KIND, b"other", request).await.expect("is new");
    assert_ne!(again.id, id);
}

#[tokio::test]
async fn arguments_from_outside_are_checked() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let too_large = vec![0; MAX_PAYLOAD_BYTES + 1];
    jobs.submit(KIND, &too_large[1..], None).await.expect("the largest payload");
    for refused in [
        jobs.submit(KIND, &too_large, None).await,
        jobs.submit("Train:Model", b"", None).await,
        jobs.submit("", b"", None).await,
        jobs.submit(KIND, b"", Some(String::new())).await,
    ] {
        assert!(matches!(refused, Err(JobsError::InvalidArgument { .. })), "{refused:?}");
    }
    let strange = jobs.get("x:payload").await;
    assert!(matches!(strange, Err(JobsError::NotFound { .. })));
    let token = jobs.list(&ListFilter::default(), 10, Some("x")).await;
    assert!(matches!(token, Err(JobsError::InvalidArgument { .. })));
    let url = Jobs::new(config("http://localhost".to_owned()));
    assert!(matches!(url, Err(JobsError::InvalidUrl(_))));
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_never_delivered() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let cancelled = jobs.cancel(&job.id).await.expect("is queued");
    assert_eq!(cancelled.state, JobState::Cancelled);

    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let deliveries = queue.read(10).await.expect("redis answers");
    assert_eq!(deliveries.len(), 1);
    let claimed = queue.claim(&deliveries[0]).await.expect("redis answers");
    assert!(claimed.is_none());
    assert_eq!(queue.statistics().await.expect("redis answers").pending, 0);
}

#[tokio::test]
async fn lists_page_newest_first_and_filter() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let mut ids = Vec::new();
    for number in 0..23 {
        let kind = if number % 2 == 0 { KIND } else { "import-dataset" };
        ids.push(jobs.submit(kind, b"", None).await.expect("submits").id);
    }
    ids.reverse();
    let all = ListFilter::default();
    for page_size in [1, 5, 22, 23, 24] {
        let listed = list_all(jobs, &all, page_size).await;
        assert_eq!(id_list(&listed), ids, "in pages of {page_size}");
    }

    for id in ids.iter().take(7) {
        jobs.cancel(id).await.expect("is queued");
    }
    let filter = ListFilter { kind: Some(KIND.to_owned()), state: Some(JobState::Cancelled) };
    let listed = list_all(jobs, &filter, 3).await;
    assert_eq!(id_list(&listed), [&*ids[0], &*ids[2], &*ids[4], &*ids[6]]);

    // What is deleted or added between two pages neither repeats nor hides anything.
    let (page, token) = jobs.list(&all, 5, None).await.expect("lists");
    assert_eq!(id_list(&page), &ids[..5]);
    jobs.delete(&ids[4]).await.expect("is finished");
    jobs.submit(KIND, b"", None).await.expect("submits");
    let (page, _) = jobs.list(&all, 5, token.as_deref()).await.expect("lists");
    assert_eq!(id_list(&page), &ids[5..10]);
}

#[tokio::test]
async fn finished_jobs_expire_from_lists_too() {
    let fixture = start_with(|config| config.retention = Duration::from_millis(50)).await;
    let jobs = &fixture.jobs;
    let request = Some("request".to_owned());
    let job = jobs.submit(KIND, b"", request.clone()).await.expect("submits");
    let kept = jobs.submit(KIND, b"", None).await.expect("submits");
    // It may be gone before cancel has looked again.
    let cancelled = jobs.cancel(&job.id).await;
    assert!(matches!(cancelled, Ok(_) | Err(JobsError::NotFound { .. })), "{cancelled:?}");
    let all = ListFilter::default();
    let look = async || list_all(jobs, &all, 10).await;
    wait_for("the job to expire", look, |listed| id_list(listed) == [&*kept.id]).await;
    let look = async || jobs.submit(KIND, b"other", request.clone()).await.map(|job| job.id);
    let made = wait_for("the request id to expire", look, Result::is_ok).await;
    assert_ne!(made.expect("was accepted"), job.id);
}

#[tokio::test]
async fn a_watch_shows_changes_until_the_end() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let mut watch = jobs.watch(&job.id);
    let mut next = async || watch.next().await.map(|item| item.expect("redis answers"));
    assert_eq!(next().await.map(|job| job.state), Some(JobState::Queued));

    let mut queue = Queue::new(jobs.clone(), KIND).expect("a valid kind");
    let (lease, _) = claim(&mut queue).await;
    assert_eq!(next().await.map(|job| job.state), Some(JobState::Running));
    let progress = Progress { done: 1, total: 2, message: "half".to_owned() };
    lease.progress(&progress).await.expect("holds the lease");
    assert_eq!(next().await.map(|job| job.progress), Some(progress));
    lease.succeed("models/1").await.expect("holds the lease");
    assert_eq!(next().await.map(|job| job.state), Some(JobState::Succeeded));
    assert_eq!(next().await, None);

    let finished: Vec<Job> = jobs.watch(&job.id).try_collect().await.expect("redis answers");
    assert_eq!(finished.len(), 1);
    jobs.delete(&job.id).await.expect("is finished");
    let missing: Result<Vec<Job>, _> = jobs.watch(&job.id).try_collect().await;
    assert!(matches!(missing, Err(JobsError::NotFound { .. })));
}

#[tokio::test]
async fn a_watch_ends_when_the_job_is_gone() {
    let fixture = start().await;
    let jobs = &fixture.jobs;
    let job = jobs.submit(KIND, b"", None).await.expect("submits");
    let mut watch = jobs.watch(&job.id);
    assert!(watch.next().await.is_some());
    jobs.cancel(&job.id).await.expect("is queued");
    jobs.delete(&job.id).await.expect("is finished");
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn without_redis_everything_is_unavailable_until_it_comes_back() {
    let fixture = start().await;
    let (jobs, dir) = (fixture.jobs, fixture.dir);
    let job = jobs.submit(KIND, b"", None).await.expect("submits");

    drop(fixture.redis);
    for _ in 0..3 {
        let gone = jobs.get(&job.id).await;
        assert!(matches!(gone, Err(JobsError::Unavailable { .. })), "{gone:?}");
    }
    assert!(matches!(jobs.ping().await, Err(JobsError::Unavailable { .. })));

    let _redis = PrivateRedis::start(dir.path()).await.expect("starts again");
    let look = async || jobs.ping().await;
    let answer = wait_for("redis to be back", look, Result::is_ok).await;
    answer.expect("was accepted");
    // What was acknowledged was also written down.
    let found = wait_for_job(&jobs, &job.id, |_| true).await;
    assert_eq!(found, job);
}

#[tokio::test]
async fn a_server_starts_before_its_redis() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let url = format!("redis+unix://{}/redis.sock", dir.path().display());
    let jobs = Jobs::new(config(url.clone())).expect("connects to nothing yet");
    assert!(matches!(jobs.ping().await, Err(JobsError::Unavailable { .. })));
    let redis = PrivateRedis::start(dir.path()).await.expect("redis starts");
    assert_eq!(redis.url(), url);
    let look = async || jobs.submit(KIND, b"", None).await;
    let submitted = wait_for("a submit", look, Result::is_ok).await;
    assert_eq!(submitted.expect("was accepted").state, JobState::Queued);
}

async fn list_all(jobs: &Jobs, filter: &ListFilter, page_size: usize) -> Vec<Job> {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let (page, next) = jobs.list(filter, page_size, token.as_deref()).await.expect("lists");
        assert!(page.len() <= page_size);
        all.extend(page);
        match next {
            Some(next) => token = Some(next),
            None => return all,
        }
    }
}

fn id_list(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}
