//! Jobs while everything goes wrong: worker processes are killed and stopped past their lease, Redis
//! is killed and comes back, connections are cut, held up and delayed. What each process does is
//! written down; afterwards a checker reads whether all promises were kept.
//!
//! * `history.rs`: what is written down; `checker.rs` reads it, and `corrupted.rs` tests that.
//! * `scene.rs`: Redis, the worker processes of `worker.rs`, and between them the links of `proxy.rs`.
//! * `faults.rs`: what goes wrong; `workload.rs`: who submits and watches; `report.rs`: the table.
//!
//! `make chaos` is the long run. A seed draws the same plan again; what the processes make of it
//! depends on the machine's moment as well.
#![allow(clippy::print_stdout, reason = "a run says what came of it")]

use std::{sync::Arc, time::Duration};

mod checker;
#[cfg(test)]
mod corrupted;
mod faults;
mod history;
mod proxy;
mod report;
mod scene;
mod worker;
mod workload;

use faults::Plan;
use scene::Scene;

async fn run(plan: Plan) {
    println!("{plan:?}");
    let scene = Arc::new(Scene::new(&plan).await);
    tokio::join!(faults::rage(&scene, &plan), workload::submit_all(&scene, &plan));
    let log = history::Log::open(scene.path(), "last");
    // A job may have been struck at the very end, and poison takes all its attempts.
    let patience = Duration::from_secs(60) + 20 * plan.lease;
    let unfinished = workload::settle(&scene, &log, patience).await;
    let history = history::read(scene.path());
    let violations = checker::check(&history);
    report::print(&plan, &history, &violations);
    for violation in violations.iter().take(20) {
        println!("BROKEN: {violation:?}");
    }
    assert!(unfinished.is_empty(), "{unfinished:#?}");
    assert!(violations.is_empty(), "seed {}", plan.seed);
}

/// A setting of the long run.
fn setting(name: &str, usual: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "tests have no command line")]
    let given = std::env::var(format!("AGESPAN_CHAOS_{name}"));
    given.ok().filter(|text| !text.is_empty()).map_or(usual, |text| text.parse().expect(name))
}

/// Another one each time, unless it is set.
fn seed() -> u64 {
    setting("SEED", history::now() % 1_000_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_are_kept_while_everything_goes_wrong() {
    run(Plan {
        seed: seed(),
        lease: Duration::from_secs(1),
        length: Duration::from_secs(25),
        jobs: 600,
        workers: 4,
        kills: 16,
        stops: 10,
        redis_kills: 5,
        partitions: 12,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as it is told to: `make chaos`"]
async fn long_run() {
    let count = |name, usual| usize::try_from(setting(name, usual)).expect("fits");
    run(Plan {
        seed: seed(),
        lease: Duration::from_secs(setting("LEASE", 10)),
        length: Duration::from_secs(60 * setting("MINUTES", 25)),
        jobs: count("JOBS", 10_000),
        workers: count("WORKERS", 8),
        kills: count("KILLS", 500),
        stops: count("STOPS", 100),
        redis_kills: count("REDIS_KILLS", 50),
        partitions: count("PARTITIONS", 50),
    })
    .await;
}

/// What the others start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started by the other tests"]
async fn worker_process() {
    worker::run().await;
}
