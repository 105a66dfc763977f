//! Replicas are replaced one after another while callers ask. `AGESPAN_ROLLS` asks for more of it.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use agespan_client::Client;
use agespan_client::proto::estimator::v1::{EstimateAgeRequest, StreamEstimateAgeRequest};
use agespan_tests::{Process, Sandbox, faces, setting};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tonic::{Code, Status};

const CALLERS: usize = 4;
const ROLLS: usize = 6;
/// One replica may be going when it is asked, and the next one as well by then.
const TRIES: usize = 3;

/// The replicas that callers know of, as a headless service has them.
#[derive(Clone, Default)]
struct Replicas(Arc<Mutex<Vec<Client>>>);

impl Replicas {
    fn nth(&self, turn: usize) -> Client {
        let known = self.0.lock().unwrap();
        known[turn % known.len()].clone()
    }
}

async fn start(sandbox: &Sandbox) -> Process {
    let services = "age-estimator,conformal-calibrator";
    let process =
        sandbox.start("agespan", &["up", "--services", services, "--model-threads", "1"]).await;
    process.ready("agespan.estimator.v1.EstimatorService").await;
    process
}

/// Asks one replica, and another when that one is going.
async fn ask(replicas: &Replicas, turn: usize, image: &Bytes) -> Result<(), Status> {
    let mut last = Status::unavailable("nobody was asked");
    for attempt in 0..TRIES {
        let client = replicas.nth(turn + attempt);
        let request = EstimateAgeRequest { image: image.clone(), ..Default::default() };
        match client.estimator().estimate_age(request).await {
            Ok(_) => return Ok(()),
            Err(status) => last = status,
        }
    }
    Err(last)
}

#[tokio::test]
async fn no_caller_who_tries_again_notices_that_replicas_are_replaced() {
    let rolls = setting("AGESPAN_ROLLS").map_or(ROLLS, |rolls| rolls.parse().unwrap());
    let sandbox = Sandbox::new().await;
    let image = Bytes::from(fs::read(faces::portrait()).unwrap());
    let mut running = vec![start(&sandbox).await, start(&sandbox).await];
    let replicas = Replicas::default();
    replicas.0.lock().unwrap().extend(running.iter().map(|replica| replica.client.clone()));

    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (over, answered) = (over.clone(), answered.clone());
            let (replicas, image) = (replicas.clone(), image.clone());
            tokio::spawn(async move {
                let mut turn = caller;
                while !over.load(Ordering::Relaxed) {
                    ask(&replicas, turn, &image).await.expect("an answer from some replica");
                    answered.fetch_add(1, Ordering::Relaxed);
                    turn += 1;
                }
            })
        })
        .collect();
    for _ in 0..rolls {
        let new = start(&sandbox).await;
        replicas.0.lock().unwrap().push(new.client.clone());
        running.push(new);
        // Callers still know of it when it goes.
        let ended = running.remove(0).stop().await;
        assert!(ended.success(), "{ended}");
        replicas.0.lock().unwrap().remove(0);
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(answered.load(Ordering::Relaxed) >= rolls, "hardly anybody asked");
}

#[tokio::test]
async fn a_stream_that_never_ends_keeps_no_process() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan", &["up", "--drain-seconds", "1"]).await;
    server.ready("agespan.estimator.v1.EstimatorService").await;
    let image = fs::read(faces::portrait()).unwrap().into();
    let request = EstimateAgeRequest { image, ..Default::default() };
    let first = StreamEstimateAgeRequest { id: "1".into(), request: Some(request) };
    let endless = stream::iter([first]).chain(stream::pending());
    let mut answers =
        server.client.estimator().stream_estimate_age(endless).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().id, "1");
    let ended = server.stop().await;
    assert!(ended.success(), "{ended}");
    let status = answers.message().await.expect_err("the stream was cut");
    assert_ne!(status.code(), Code::Ok);
}
