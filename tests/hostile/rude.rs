//! Good requests among a thousand slow connections, floods, broken streams and callers that never read.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agespan_client::proto::estimator::v1::{EstimateAgeRequest, StreamEstimateAgeRequest};
use agespan_tests::{Process, Sandbox, faces, setting};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use super::raw::Raw;

/// Good requests, one after the other; `AGESPAN_GOOD` for percentiles that mean more.
const GOOD: usize = 60;

const SLOW: usize = 1000;

fn request() -> EstimateAgeRequest {
    let image: Bytes = fs::read(faces::portrait()).unwrap().into();
    EstimateAgeRequest { image, ..Default::default() }
}

/// What each took, and how many were not answered.
async fn good(server: &Process) -> (Vec<Duration>, usize) {
    let (mut times, mut failed) = (Vec::new(), 0);
    let count = setting("AGESPAN_GOOD").map_or(GOOD, |count| count.parse().unwrap());
    for _ in 0..count {
        let begin = Instant::now();
        let answer = server.client.estimator().estimate_age(request()).await;
        times.push(begin.elapsed());
        failed += usize::from(answer.is_err());
    }
    times.sort();
    (times, failed)
}

fn print(what: &str, (times, failed): &(Vec<Duration>, usize)) {
    let (half, most) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!(
        "{what}: {} good requests, {failed} failed, p50 {half:.1?}, p99 {most:.1?}",
        times.len()
    );
}

/// What a message of 100 MB is answered.
async fn send_large(server: &Process) -> Status {
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/agespan.estimator.v1.EstimatorService/EstimateAge");
    let message = Request::new(Bytes::from(vec![0; 100 << 20]));
    client.unary(message, path, Raw).await.unwrap_err()
}

/// HTTP/2's preface, a byte at a time and never to its end; over again whenever the server has had enough.
async fn dawdle(address: String, connected: Arc<AtomicUsize>) {
    loop {
        let Ok(mut connection) = TcpStream::connect(&address).await else {
            return;
        };
        connected.fetch_add(1, Ordering::Relaxed);
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM".iter().cycle() {
            if connection.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }
}

/// Asks over and over and leaves before it is answered.
async fn leave_early(server: agespan_client::Client) {
    loop {
        let asked = server.estimator().estimate_age(request()).await;
        drop(asked);
    }
}

/// Streams whose answers nobody takes.
async fn never_read(server: agespan_client::Client) {
    let mut held = Vec::new();
    for _ in 0..20 {
        let questions = (0..20).map(|id: u32| StreamEstimateAgeRequest {
            id: id.to_string(),
            request: Some(request()),
        });
        held.push(server.estimator().stream_estimate_age(stream::iter(questions)).await);
    }
    std::future::pending::<()>().await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_requests_are_answered_among_rude_ones() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    print("in peace", &good(&server).await);

    let address = server.url.trim_start_matches("http://").to_owned();
    let mut rude = JoinSet::new();
    let connected = Arc::new(AtomicUsize::new(0));
    for _ in 0..SLOW {
        rude.spawn(dawdle(address.clone(), connected.clone()));
    }
    while connected.load(Ordering::Relaxed) < SLOW {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    print("among 1,000 slow connections", &good(&server).await);

    // Larger than any message may be: refused by its length, before it is taken in.
    let status = send_large(&server).await;
    println!("100 MB: {:?}: {}", status.code(), status.message());

    let other = || agespan_client::Client::new(&server.url).unwrap();
    rude.spawn(never_read(other()));
    // Each is cut off within a moment of its asking, a hundred times a second.
    let leaving = other();
    rude.spawn(async move {
        loop {
            let _ =
                tokio::time::timeout(Duration::from_millis(10), leave_early(leaving.clone())).await;
        }
    });
    let among_all = good(&server).await;
    print("among all of them", &among_all);
    rude.shutdown().await;
    let afterwards = good(&server).await;
    print("afterwards", &afterwards);
    assert_eq!((among_all.1, afterwards.1), (0, 0));
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let height = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("the server held at most: {height}");
}
