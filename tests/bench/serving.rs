//! Loads estimators for `make bench`: `bench-serving URL[,URL] PHOTO WAY CALLERS SECONDS`. One JSON
//! object with photos a second and latencies in milliseconds; scripts beside it start the servers, and
//! the peers in the same run. Replicas are asked in turn, as by a client that knows the addresses of a
//! headless service.
//!
//! WAY is `single` (EstimateAge), `batch` or `batch:N` (BatchEstimateAge of 32 or N), `stream` or
//! `stream:N` (StreamEstimateAge with so many photos under way) or `nothing` (a health check, which takes
//! the same road to no work).
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for one script")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agespan_client::Client;
use agespan_client::proto::estimator::v1::{
    BatchEstimateAgeRequest, EstimateAgeRequest, StreamEstimateAgeRequest,
};
use futures_util::StreamExt;
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

const BATCH: &str = "32";
/// Callers of one connection, of whom a server takes no more than `--max-streams` at the same time.
const OF_A_CONNECTION: usize = 100;

/// How callers ask.
#[derive(Clone, Copy)]
enum Way {
    Single,
    Batch(usize),
    Stream(usize),
    Nothing,
}

impl Way {
    fn parse(text: &str) -> Self {
        let (name, photos) = text.split_once(':').unwrap_or((text, BATCH));
        let photos = photos.parse().unwrap();
        match name {
            "single" => Self::Single,
            "batch" => Self::Batch(photos),
            "stream" => Self::Stream(photos),
            "nothing" => Self::Nothing,
            other => panic!("there is no way {other}"),
        }
    }
}

/// What callers have seen; none of it before everybody has warmed up.
#[derive(Default)]
struct Seen {
    photos: usize,
    times: Vec<Duration>,
    refusals: Vec<Duration>,
}

struct Load {
    /// One for each connection, by turns to each replica.
    connections: Vec<Client>,
    turn: AtomicUsize,
    /// To the first replica, for who wants nothing of it.
    channel: Channel,
    photo: bytes::Bytes,
    way: Way,
    begin: Instant,
    end: Instant,
    seen: Mutex<Seen>,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [urls, photo, way, callers, seconds] = arguments.as_slice() else {
        panic!("usage: bench-serving URL[,URL] PHOTO WAY CALLERS SECONDS");
    };
    let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
    let callers: usize = callers.parse().unwrap();
    let count = urls.len() * callers.div_ceil(OF_A_CONNECTION);
    let begin = Instant::now() + Duration::from_secs(1);
    let load = Arc::new(Load {
        connections: urls.iter().cycle().take(count).map(|url| Client::new(url).unwrap()).collect(),
        turn: AtomicUsize::new(0),
        channel: Endpoint::from_shared(urls[0].clone()).unwrap().connect().await.unwrap(),
        photo: std::fs::read(photo).unwrap().into(),
        way: Way::parse(way),
        begin,
        end: begin + Duration::from_secs(seconds.parse().unwrap()),
        seen: Mutex::default(),
    });
    let callers = (0..callers).map(|_| {
        let load = load.clone();
        tokio::spawn(async move {
            match load.way {
                Way::Stream(photos) => load.stream(photos).await,
                _ => load.call_again_and_again().await,
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let seen = load.seen.lock().await;
    println!(
        "{{\"photos\": {:.1}, \"p50\": {:.3}, \"p99\": {:.3}, \"refused\": {}, \"refusal_p99\": {:.3}}}",
        seen.photos as f64 / (load.end - load.begin).as_secs_f64(),
        milliseconds(&seen.times, 0.5),
        milliseconds(&seen.times, 0.99),
        seen.refusals.len(),
        milliseconds(&seen.refusals, 0.99)
    );
}

/// What a refusal asks its caller to wait.
fn asked_to_wait(status: &tonic::Status) -> Duration {
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    asked.unwrap_or_else(|| panic!("{status}"))
}

/// The time that a share of the calls took no longer than.
fn milliseconds(times: &[Duration], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    let time = times.get((times.len() as f64 * share) as usize);
    time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

impl Load {
    /// The next in turn.
    fn next(&self) -> &Client {
        &self.connections[self.turn.fetch_add(1, Ordering::Relaxed) % self.connections.len()]
    }

    async fn call_again_and_again(&self) {
        while Instant::now() < self.end {
            let started = Instant::now();
            let answered = self.call().await;
            let refused = answered.as_ref().err().map(asked_to_wait);
            self.note(answered, started).await;
            if let Some(delay) = refused {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Photos that were answered.
    async fn call(&self) -> Result<usize, tonic::Status> {
        match self.way {
            Way::Single => {
                let image = self.photo.clone();
                let request = EstimateAgeRequest { image, ..Default::default() };
                self.next().estimator().estimate_age(request).await.map(|_| 1)
            }
            Way::Batch(photos) => {
                let images = vec![self.photo.clone(); photos];
                let request = BatchEstimateAgeRequest { images, ..Default::default() };
                let answer = self.next().estimator().batch_estimate_age(request).await?;
                Ok(answer.into_inner().results.len())
            }
            Way::Nothing => {
                let mut health = HealthClient::new(self.channel.clone());
                health.check(HealthCheckRequest::default()).await.map(|_| 1)
            }
            Way::Stream(_) => unreachable!("a stream is one call"),
        }
    }

    async fn note(&self, answered: Result<usize, tonic::Status>, started: Instant) {
        let now = Instant::now();
        if now < self.begin || now > self.end {
            return;
        }
        let mut seen = self.seen.lock().await;
        match answered {
            Ok(photos) => {
                seen.photos += photos;
                seen.times.push(now - started);
            }
            Err(_) => seen.refusals.push(now - started),
        }
    }

    /// A stream that sends the next photo for each answer.
    async fn stream(&self, photos: usize) {
        let (sender, receiver) = mpsc::channel(photos);
        let ask = || StreamEstimateAgeRequest {
            id: String::new(),
            request: Some(EstimateAgeRequest { image: self.photo.clone(), ..Default::default() }),
        };
        for _ in 0..photos {
            sender.send(ask()).await.unwrap();
        }
        let requests = ReceiverStream::new(receiver);
        let answers = self.next().estimator().stream_estimate_age(requests).await.unwrap();
        let mut answers = answers.into_inner();
        while Instant::now() < self.end {
            let started = Instant::now();
            answers.next().await.unwrap().unwrap();
            self.note(Ok(1), started).await;
            sender.send(ask()).await.unwrap();
        }
    }
}
