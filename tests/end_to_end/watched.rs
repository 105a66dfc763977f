//! What operators see of jobs, and what they may change while processes run.

use std::fs;

use agespan_client::proto::job::v1::JobState;
use agespan_tests::{Process, Sandbox, free_address};
use tokio::time::{Duration, Instant, sleep};

use crate::generator::{self, PROGRAM, WORKER, asked, generate};
use crate::traces::scraped;

/// The value of a metric's line that has all these words.
async fn value(address: &str, metric: &str, words: &[&str]) -> Option<f64> {
    let lines = scraped(address, metric).await;
    let line = lines.iter().find(|line| words.iter().all(|word| line.contains(word)))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn until(address: &str, metric: &str, words: &[&str], wanted: f64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = value(address, metric, words).await;
        if found == Some(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{metric} {words:?} is {found:?}, not {wanted}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn queues_attempts_and_drawing_are_measured() {
    let sandbox = Sandbox::new().await;
    let (of_server, of_worker) = (free_address(), free_address());
    let told = ["--role", "server", "--metrics-listen", &of_server];
    let server = sandbox.start(PROGRAM, &told).await;
    generator::add(&server, generator::save(&sandbox, "tiny", 1)).await.unwrap();
    // Queues are looked at from time to time: nobody works yet, and both wait to be seen.
    let job = generate(&server, asked(3, 2)).await.unwrap();
    until(&of_server, "agespan_jobs_waiting", &["generate-faces"], 1.0).await;
    let told = [&WORKER[..], &["--metrics-listen", &of_worker]].concat();
    let _worker = sandbox.start(PROGRAM, &told).await;
    server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    until(&of_worker, "agespan_generator_images", &[], 3.0).await;
    until(&of_worker, "agespan_generator_steps", &[], 6.0).await;
    let attempts = "agespan_jobs_attempt_time_seconds_count";
    until(&of_worker, attempts, &["generate-faces", "succeeded"], 1.0).await;
    until(&of_worker, attempts, &["draw-faces", "succeeded"], 3.0).await;
    until(&of_server, "agespan_jobs_waiting", &["generate-faces"], 0.0).await;
}

/// How many attempts its log tells of after one more generation.
async fn told_after_one(server: &Process) -> usize {
    let job = generate(server, asked(1, 1)).await.unwrap();
    server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    server.log().matches("the attempt starts").count()
}

#[tokio::test]
async fn what_is_logged_is_changed_while_a_process_runs() {
    let sandbox = Sandbox::new().await;
    let file = sandbox.path("filter");
    let told = ["--log-filter-file", file.to_str().unwrap()];
    let server = sandbox.start(PROGRAM, &told).await;
    generator::add(&server, generator::save(&sandbox, "tiny", 1)).await.unwrap();
    assert!(told_after_one(&server).await > 0);

    fs::write(&file, "no, such, =filter").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let until = async |word: &str| {
        while !server.log().contains(word) {
            assert!(Instant::now() < deadline, "no {word:?} in {}", server.log());
            sleep(Duration::from_millis(50)).await;
        }
    };
    until("what is logged stays as it is").await;
    fs::write(&file, "off\n").unwrap();
    until("what is logged changes").await;
    sleep(Duration::from_millis(100)).await;
    let before = told_after_one(&server).await;
    assert_eq!(told_after_one(&server).await, before, "it is still logged");
    fs::remove_file(&file).unwrap();
    while told_after_one(&server).await == before {
        assert!(Instant::now() < deadline, "nothing is logged any more");
    }
}
