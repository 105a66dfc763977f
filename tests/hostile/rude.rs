//! Good requests among a thousand slow connections, floods, broken streams and callers that never read.

use std::fs;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agespan_client::proto::estimator::v1::{EstimateAgeRequest, StreamEstimateAgeRequest};
use agespan_tests::{Process, Sandbox, faces, setting};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tower::ServiceExt;

use super::raw::Raw;

/// Good requests, one after the other; `AGESPAN_GOOD` for percentiles that mean more.
const GOOD: usize = 60;

const SLOW: usize = 1000;

const ESTIMATE: &str = "/agespan.estimator.v1.EstimatorService/EstimateAge";

fn request() -> EstimateAgeRequest {
    let image: Bytes = fs::read(faces::portrait()).unwrap().into();
    EstimateAgeRequest { image, ..Default::default() }
}

/// Asks well, and is answered each time.
async fn good(server: &Process, among: &str) {
    let mut times = Vec::new();
    let count = setting("AGESPAN_GOOD").map_or(GOOD, |count| count.parse().unwrap());
    for _ in 0..count {
        let begin = Instant::now();
        let answer = server.client.estimator().estimate_age(request()).await;
        times.push(begin.elapsed());
        answer.unwrap();
    }
    times.sort();
    let (half, most) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{among}: {count} good requests, p50 {half:.2?}, p99 {most:.2?}");
}

/// What a message of 100 MB is answered.
async fn send_large(url: &str) -> Status {
    let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static(ESTIMATE);
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
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

/// Streams that are opened and reset, a hundred a second.
async fn reset(server: agespan_client::Client) {
    let mut next = tokio::time::interval(Duration::from_millis(10));
    loop {
        next.tick().await;
        let mut estimator = server.estimator();
        let opened = estimator.stream_estimate_age(stream::pending());
        let _ = tokio::time::timeout(Duration::from_millis(1), opened).await;
    }
}

/// Photos asked about by somebody who is gone a moment later, ten a second. The model may have begun by then:
/// they take their turn as anybody's do.
async fn leave_early(server: agespan_client::Client) {
    let mut next = tokio::time::interval(Duration::from_millis(100));
    loop {
        next.tick().await;
        let mut estimator = server.estimator();
        let asked = estimator.estimate_age(request());
        let _ = tokio::time::timeout(Duration::from_millis(1), asked).await;
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

/// Messages of 100 MB, ten a second, from chunks that cost their sender little.
async fn send_much(url: String) {
    let channel = Endpoint::from_shared(url.clone()).unwrap().connect().await.unwrap();
    let mut begin = BytesMut::with_capacity(5);
    begin.put_u8(0);
    begin.put_u32(100 << 20);
    let (begin, chunk) = (begin.freeze(), Bytes::from(vec![0; 1 << 16]));
    loop {
        let chunks = iter::once(begin.clone()).chain(iter::repeat_n(chunk.clone(), 1600));
        let frames = stream::iter(chunks.map(|chunk| Ok::<_, Status>(Frame::data(chunk))));
        let request = http::Request::post(format!("{url}{ESTIMATE}"))
            .header("content-type", "application/grpc")
            .body(Body::new(StreamBody::new(frames)));
        let answer = channel.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], (Code::OutOfRange as i32).to_string());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn connect_slowly(url: &str, rude: &mut JoinSet<()>) {
    let (address, connected) = (url.trim_start_matches("http://"), Arc::new(AtomicUsize::new(0)));
    for _ in 0..SLOW {
        rude.spawn(dawdle(address.to_owned(), connected.clone()));
    }
    while connected.load(Ordering::Relaxed) < SLOW {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_requests_are_answered_among_rude_ones() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let mut silent = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
    good(&server, "in peace").await;

    let status = send_large(&server.url).await;
    assert_eq!(status.code(), Code::OutOfRange, "{}", status.message());

    let other = || agespan_client::Client::new(&server.url).unwrap();
    let mut rude = JoinSet::new();
    connect_slowly(&server.url, &mut rude).await;
    good(&server, "among 1,000 slow connections").await;
    rude.shutdown().await;
    good(&server, "in peace").await;
    rude.spawn(reset(other()));
    good(&server, "among reset streams").await;
    rude.shutdown().await;
    good(&server, "in peace").await;
    rude.spawn(never_read(other()));
    good(&server, "among streams that nobody reads").await;
    rude.shutdown().await;
    good(&server, "in peace").await;
    rude.spawn(send_much(server.url.clone()));
    good(&server, "among messages of 100 MB").await;

    rude.spawn(reset(other()));
    rude.spawn(never_read(other()));
    connect_slowly(&server.url, &mut rude).await;
    good(&server, "among all of them").await;
    rude.spawn(leave_early(other()));
    good(&server, "among all of them and ten photos a second that nobody waits for").await;
    rude.shutdown().await;
    good(&server, "in peace").await;
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0, "who says nothing is sent away");
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let height = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("the server held at most: {height}");
}
