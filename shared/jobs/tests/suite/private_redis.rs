//! A Redis of one's own.

use std::{path::Path, process::Command};

use agespan_jobs::{Jobs, JobsConfig, PrivateRedis, PrivateRedisError};

use crate::support::{start, wait_for};

#[tokio::test]
async fn a_long_path_with_odd_characters_is_no_obstacle() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    for dir in [temporary.path().join("a b?ü"), temporary.path().join("long/".repeat(40))] {
        let redis = PrivateRedis::start(&dir).await.expect("redis starts");
        let jobs = Jobs::new(JobsConfig::new(redis.url())).expect("a valid url");
        jobs.ping().await.expect("redis answers");
    }
}

#[tokio::test]
async fn a_missing_or_strange_program_is_explained() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let missing = Path::new("/no/such/redis-server");
    let error = PrivateRedis::start_program(missing, dir.path()).await.expect_err("is missing");
    assert!(matches!(error, PrivateRedisError::NotInstalled { .. }));
    assert!(error.to_string().contains("apt-get install redis-server"), "{error}");
    let strange = PrivateRedis::start_program(Path::new("true"), dir.path()).await;
    assert!(matches!(strange, Err(PrivateRedisError::TooOld { .. })));
}

#[tokio::test]
async fn one_directory_has_one_server() {
    let fixture = start().await;
    let second = PrivateRedis::start(fixture.dir.path()).await;
    assert!(matches!(second, Err(PrivateRedisError::InUse { .. })), "{second:?}");
    fixture.jobs.ping().await.expect("the first is not disturbed");
}

/// The process that a killed test starts: see below.
#[tokio::test]
#[ignore = "is started by the_server_does_not_outlive_a_killed_process"]
async fn owner_process() {
    let Ok(dir) = std::fs::read_to_string("redis-dir") else {
        return;
    };
    let redis = PrivateRedis::start(Path::new(&dir)).await.expect("redis starts");
    std::fs::write("redis-id", redis.id().to_string()).expect("writes");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_server_does_not_outlive_a_killed_process() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data = dir.path().join("data");
    std::fs::write(dir.path().join("redis-dir"), data.display().to_string()).expect("writes");
    let mut owner = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "private_redis::owner_process", "--ignored"])
        .current_dir(dir.path())
        .spawn()
        .expect("starts again");
    let id = crate::support::wait_for_file(&dir.path().join("redis-id")).await;
    owner.kill().expect("is alive");
    owner.wait().expect("is dead");
    let process = Path::new("/proc").join(id);
    wait_for("the server to leave", async || process.exists(), |alive| !alive).await;
    PrivateRedis::start(&data).await.expect("the directory is free");
}
