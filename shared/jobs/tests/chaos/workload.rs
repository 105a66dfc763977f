//! Those who submit jobs and watch them.

use std::{sync::Arc, time::Duration};

use agespan_jobs::{Job, JobState, Jobs, JobsError, ListFilter};
use futures_util::{StreamExt, stream};
use rand::RngExt;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    faults::Plan,
    history::{End, Event, Log, Seen},
    scene::Scene,
    worker::{KIND, Nature, Task},
};

/// Attempts of a job that is poison.
pub(crate) const POISON_ATTEMPTS: u32 = 3;

/// Watched at once; each asks five times a second.
const WATCHES: usize = 48;

/// One job's part of the plan.
struct Part {
    number: usize,
    at: Duration,
    task: Task,
    is_cancelled: bool,
    is_repeated: bool,
}

fn parts(plan: &Plan) -> Vec<Part> {
    let mut random = plan.random(2);
    let mut part = |number: usize| {
        let nature = match number % 100 {
            3 => Nature::Poison,
            53 => Nature::Curable,
            _ => Nature::Sound,
        };
        let is_sound = nature == Nature::Sound;
        Part {
            number,
            at: plan.length.mul_f64(number as f64 / plan.jobs as f64),
            task: Task {
                steps: random.random_range(1..=6),
                step: plan.lease.mul_f64(0.01 + 0.09 * random.random::<f64>()),
                nature,
            },
            is_cancelled: is_sound && number % 50 == 7,
            is_repeated: random.random::<f64>() < 0.1,
        }
    };
    (0..plan.jobs).map(&mut part).collect()
}

/// Submits every job in time, however long each takes to be acknowledged.
pub(crate) async fn submit_all(scene: &Arc<Scene>, plan: &Plan) {
    let begin = Instant::now();
    let watching = Arc::new(Semaphore::new(WATCHES));
    let mut under_way = JoinSet::new();
    let (sound, poison) = (scene.jobs(None), scene.jobs(Some(POISON_ATTEMPTS)));
    let log = Log::open(scene.path(), "submitters");
    for part in parts(plan) {
        sleep_until(begin + part.at).await;
        let is_sound = part.task.nature == Nature::Sound;
        let jobs = if is_sound { sound.clone() } else { poison.clone() };
        under_way.spawn(follow(jobs, log.clone(), scene.clone(), Arc::clone(&watching), part));
        while under_way.try_join_next().is_some() {}
    }
    under_way.join_all().await;
}

/// One job from its submission on.
async fn follow(jobs: Jobs, log: Log, scene: Arc<Scene>, watching: Arc<Semaphore>, part: Part) {
    let mut id = submit(&jobs, &log, &part).await;
    if part.is_repeated {
        id = submit(&jobs, &log, &part).await;
    }
    if part.is_cancelled {
        cancel(&jobs, &id).await;
    }
    if let Ok(_permit) = watching.try_acquire() {
        let log = Log::open(scene.path(), &format!("watcher-{}", part.number));
        watch(&jobs, &log, &id).await;
    }
}

/// Repeats with one request id until it is acknowledged.
async fn submit(jobs: &Jobs, log: &Log, part: &Part) -> String {
    let request = format!("request-{}", part.number);
    let payload = serde_json::to_vec(&part.task).expect("JSON");
    let end = match part.task.nature {
        _ if part.is_cancelled => End::Any,
        Nature::Poison => End::Fails,
        Nature::Sound | Nature::Curable => End::Succeeds,
    };
    let job = patiently(|| jobs.submit(KIND, &payload, Some(request.clone()))).await;
    let job = job.expect("is accepted");
    log.write(Event::Submitted { request: request.clone(), job: job.id.clone(), end });
    job.id
}

async fn cancel(jobs: &Jobs, id: &str) {
    match patiently(|| jobs.cancel(id)).await {
        Ok(_) | Err(JobsError::AlreadyFinished { .. }) => {}
        Err(error) => panic!("cannot cancel: {error}"),
    }
}

/// Sees a job until it ends, through all outages.
async fn watch(jobs: &Jobs, log: &Log, id: &str) {
    loop {
        let mut states = jobs.watch(id);
        while let Some(Ok(job)) = states.next().await {
            log.write(Event::Seen(Seen::of(&job)));
            if job.state.is_terminal() {
                return;
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Repeats while Redis cannot be had.
async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, JobsError>
where
    F: Future<Output = Result<T, JobsError>>,
{
    loop {
        match call().await {
            Err(JobsError::Unavailable { .. }) => sleep(Duration::from_millis(100)).await,
            answer => return answer,
        }
    }
}

/// When everything is mended: cures and retries the dead letters, waits until all jobs have ended,
/// and sees each for the last time. Says which have not ended.
pub(crate) async fn settle(scene: &Scene, log: &Log, within: Duration) -> Vec<Job> {
    let jobs = scene.jobs(None);
    let deadline = Instant::now() + within;
    let mut unfinished = wait_for_ends(&jobs, deadline).await;
    std::fs::write(scene.path().join("cured"), "yes").expect("writes");
    for job in dead_letters(&jobs).await {
        jobs.retry(&job.id).await.expect("has failed");
        log.write(Event::Retried { job: job.id });
    }
    if unfinished.is_empty() {
        unfinished = wait_for_ends(&jobs, deadline).await;
    }
    log.write(Event::Settled);
    for job in all(&jobs, &ListFilter::default()).await {
        log.write(Event::Seen(Seen::of(&job)));
    }
    unfinished
}

/// What has failed for good, with its error.
async fn dead_letters(jobs: &Jobs) -> Vec<Job> {
    let filter = ListFilter { state: Some(JobState::Failed), ..ListFilter::default() };
    let failed = all(jobs, &filter).await;
    for job in &failed {
        let error = job.error.as_ref().expect("says why");
        assert_eq!((&*error.reason, job.attempt), ("ATTEMPTS_EXHAUSTED", POISON_ATTEMPTS));
    }
    failed
}

async fn wait_for_ends(jobs: &Jobs, deadline: Instant) -> Vec<Job> {
    loop {
        let open = [JobState::Queued, JobState::Running];
        let filters = open.map(|state| ListFilter { state: Some(state), ..ListFilter::default() });
        let left = stream::iter(filters).then(async |filter| all(jobs, &filter).await);
        let left: Vec<Job> = left.collect::<Vec<_>>().await.concat();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Every job that a filter lets through.
async fn all(jobs: &Jobs, filter: &ListFilter) -> Vec<Job> {
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = patiently(|| jobs.list(filter, 1000, token.as_deref())).await;
        let (page, next) = page.expect("a valid filter");
        found.extend(page);
        match next {
            Some(next) => token = Some(next),
            None => return found,
        }
    }
}
