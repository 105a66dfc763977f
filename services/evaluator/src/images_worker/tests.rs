//! Comparisons of small folders in small parts, with a real Redis.

use agespan_jobs::{Job, JobState, JobsConfig, ListFilter, PrivateRedis, Worker};
use agespan_service::CancellationToken;
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::images::tests::folder;
use crate::images::{AGE_BACKBONE, Metric};

const PART_FILES: u64 = 16;

struct Bench {
    jobs: Jobs,
    storage: Storage,
    reports: Reports,
    reference: PathBuf,
    candidate: PathBuf,
    // Ends before its folder is removed.
    _redis: PrivateRedis,
    _folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let redis = PrivateRedis::start(&root.path().join("redis")).await.unwrap();
        let storage = Storage::open(root.path().join("store").to_str().unwrap()).unwrap();
        let at = |name: &str, numbers| PathBuf::from(folder(&root, name, numbers).name);
        let candidate = at("drawn", 200..300);
        // Two that nobody can read, in different parts.
        for broken in ["007.png", "090.png"] {
            std::fs::write(candidate.join(broken), b"no image").unwrap();
        }
        Self {
            jobs: Jobs::new(JobsConfig::new(redis.url())).unwrap(),
            reports: Reports::new(storage.clone()),
            storage,
            // A multiple of a part: the last one is empty.
            reference: at("real", 0..80),
            candidate,
            _redis: redis,
            _folder: root,
        }
    }

    /// As a process of its own has it.
    fn comparer(&self) -> Arc<Comparer> {
        let peers = Peers::nowhere();
        let (jobs, reports) = (self.jobs.clone(), self.reports.clone());
        let comparer = Comparer::new(peers, jobs, reports, self.storage.clone(), PathBuf::new());
        Arc::new(comparer.with_part_size(PART_FILES))
    }

    fn work(&self, kind: &str, handler: Arc<dyn Handler>) -> (CancellationToken, JoinHandle<()>) {
        let worker = Worker::new(self.jobs.clone(), kind, handler, 1);
        let stop = CancellationToken::new();
        let until = stop.clone();
        (stop, tokio::spawn(async move { worker.run(until).await.unwrap() }))
    }

    async fn submit(&self) -> Job {
        let comparison = Comparison {
            reference: Place::Path(self.reference.clone()),
            candidate: Place::Path(self.candidate.clone()),
            metrics: vec![Metric::Fid, Metric::Kid],
            extractor: AGE_BACKBONE.to_owned(),
        };
        let payload = serde_json::to_vec(&comparison).unwrap();
        self.jobs.submit(KIND, &payload, None).await.unwrap()
    }

    async fn until(&self, id: &str, awaited: impl Fn(&Job) -> bool) -> Job {
        let mut states = self.jobs.watch(id);
        let mut last = None;
        while let Some(state) = states.next().await {
            let state = state.unwrap();
            if awaited(&state) {
                return state;
            }
            last = Some(state);
        }
        panic!("the job ended before that: {last:?}");
    }

    /// Does it alone, from beginning to end.
    async fn undisturbed(&self) -> Job {
        let job = self.submit().await;
        let (stop, worker) = self.work(KIND, self.comparer());
        let ended = self.until(&job.id, |job| job.state.is_terminal()).await;
        stop.cancel();
        worker.await.unwrap();
        assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
        ended
    }

    async fn paths(&self, prefix: &str) -> Vec<String> {
        self.storage.list(prefix).await.unwrap()
    }

    /// Hands out the parts of a comparison that nobody does yet.
    async fn hand_out(&self, job: &Job) {
        let comparison = self.jobs.payload(&job.id).await.unwrap();
        let comparison = serde_json::from_slice(&comparison).unwrap();
        let sides = [(Side::Reference, Some(80)), (Side::Candidates, Some(100))];
        Handed::out(&self.jobs, &job.id, &comparison, &sides, PART_FILES).await;
    }

    /// Waits for so many parts that were looked at.
    async fn parts(&self, count: usize) -> Vec<String> {
        let mut there = Vec::new();
        for _ in 0..600 {
            there = self.paths("image-statistics/parts").await;
            there.retain(|path| path.ends_with(".json"));
            if there.len() >= count {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        there
    }

    /// What was seen in the reference is not to spare a comparison its work.
    async fn forget_reference(&self) {
        for path in self.paths("image-statistics").await {
            self.storage.delete(&path).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_was_stopped_goes_on_and_finds_the_same() {
    let bench = Bench::new().await;
    let whole = bench.undisturbed().await;
    assert!(bench.paths("image-statistics/parts").await.is_empty());
    bench.forget_reference().await;

    let job = bench.submit().await;
    let (stop, worker) = bench.work(KIND, bench.comparer());
    bench.until(&job.id, |job| job.progress.done > 2 * PART_FILES).await;
    stop.cancel();
    worker.await.unwrap();
    let parts = bench.paths("image-statistics/parts").await;
    assert!(parts.iter().any(|path| path.ends_with("reference-000001.json")), "{parts:?}");

    let (stop, worker) = bench.work(KIND, bench.comparer());
    let ended = bench.until(&job.id, |job| job.state.is_terminal()).await;
    stop.cancel();
    worker.await.unwrap();
    // A report is named by its content.
    assert_eq!(ended.result, whole.result, "{ended:?}");
    assert!(bench.paths("image-statistics/parts").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn helpers_look_at_parts_and_the_comparison_finds_the_same() {
    let bench = Bench::new().await;
    let whole = bench.undisturbed().await;
    bench.forget_reference().await;

    // Nobody compares yet: what is handed out is looked at first.
    let job = bench.submit().await;
    bench.hand_out(&job).await;
    let help = Arc::new(Helper { comparer: bench.comparer() });
    let (stop_help, helper) = bench.work(HELP_KIND, help);
    let there = bench.parts(10).await;
    // All but the first of each side, of five and seven.
    assert_eq!(there.len(), 10, "{there:?}");

    let (stop, worker) = bench.work(KIND, bench.comparer());
    let ended = bench.until(&job.id, |job| job.state.is_terminal()).await;
    for stop in [stop, stop_help] {
        stop.cancel();
    }
    worker.await.unwrap();
    helper.await.unwrap();
    assert_eq!(ended.result, whole.result, "{ended:?}");
    assert!(bench.paths("image-statistics/parts").await.is_empty());
    let (left, _) = bench.jobs.list(&ListFilter::default(), 100, None).await.unwrap();
    assert!(left.iter().all(|job| job.kind == KIND), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_comparison_leaves_nothing_and_its_helpers_stop() {
    let bench = Bench::new().await;
    let job = bench.submit().await;
    bench.hand_out(&job).await;
    let (stop_help, helper) =
        bench.work(HELP_KIND, Arc::new(Helper { comparer: bench.comparer() }));
    assert!(!bench.parts(1).await.is_empty());
    // Its process is busy with another comparison, so that it cannot end before it hears of it.
    let comparer = bench.comparer();
    let busy = comparer.alone.clone().lock_owned().await;
    let (stop, worker) = bench.work(KIND, comparer);
    bench.until(&job.id, |job| job.state == JobState::Running).await;
    bench.jobs.cancel(&job.id).await.unwrap();
    let ended = bench.until(&job.id, |job| job.state.is_terminal()).await;
    assert_eq!(ended.state, JobState::Cancelled, "{ended:?}");
    drop(busy);
    for stop in [stop, stop_help] {
        stop.cancel();
    }
    worker.await.unwrap();
    helper.await.unwrap();
    let parts = bench.paths("image-statistics/parts").await;
    assert!(parts.is_empty(), "{parts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_does_not_have_the_files_is_no_failure() {
    let bench = Bench::new().await;
    let job = bench.submit().await;
    let bytes = bench.jobs.payload(&job.id).await.unwrap();
    let mut comparison: Comparison = serde_json::from_slice(&bytes).unwrap();
    comparison.candidate = Place::Path(PathBuf::from("/of/another/machine"));
    let side = [(Side::Candidates, Some(3 * PART_FILES))];
    Handed::out(&bench.jobs, &job.id, &comparison, &side, PART_FILES).await;
    let help = Arc::new(Helper { comparer: bench.comparer() });
    let (stop, helper) = bench.work(HELP_KIND, help);
    let filter = ListFilter { kind: Some(HELP_KIND.to_owned()), ..ListFilter::default() };
    let (handed, _) = bench.jobs.list(&filter, 10, None).await.unwrap();
    assert_eq!(handed.len(), 2);
    for one in handed {
        let ended = bench.until(&one.id, |job| job.state.is_terminal()).await;
        assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
        assert!(ended.result.unwrap().starts_with("not looked at: SOURCE"));
    }
    stop.cancel();
    helper.await.unwrap();
}
