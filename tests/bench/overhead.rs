//! Times requests of one caller, and how much of each is decoding and forward pass:
//! `bench-overhead URL METRICS PHOTO REQUESTS`, for `overhead.py`. One JSON object with milliseconds.
//!
//! What a request cost the server is by how much the sums on its page of metrics grew from before the
//! request to after it: with one caller that is this request's alone.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for one script")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use agespan_client::Client;
use agespan_client::proto::estimator::v1::EstimateAgeRequest;
use serde_json::{Value, json};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// The first ones fill caches and pools.
const WARM_UP: usize = 50;

/// Seconds that the server has spent so far, and on how many requests.
#[derive(Clone, Copy, Default)]
struct Spent {
    requests: f64,
    call: f64,
    queue: f64,
    decode: f64,
    forward: f64,
}

/// One request, in seconds.
struct Request {
    /// As the caller sees it.
    whole: f64,
    /// As the server does.
    call: f64,
    queue: f64,
    decode: f64,
    forward: f64,
}

// One thread: a caller's own threads that wake each other are no part of what the server costs.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, metrics, photo, requests] = arguments.as_slice() else {
        panic!("usage: bench-overhead URL METRICS PHOTO REQUESTS");
    };
    let client = Client::new(url).unwrap();
    let image: bytes::Bytes = std::fs::read(photo).unwrap().into();
    let mut before = spent(metrics);
    let mut seen = Vec::new();
    for _ in 0..WARM_UP + requests.parse::<usize>().unwrap() {
        let request = EstimateAgeRequest { image: image.clone(), ..Default::default() };
        let clock = Instant::now();
        client.estimator().estimate_age(request).await.unwrap();
        let whole = clock.elapsed().as_secs_f64();
        let after = after(metrics, before);
        seen.push(Request {
            whole,
            call: after.call - before.call,
            queue: after.queue - before.queue,
            decode: after.decode - before.decode,
            forward: after.forward - before.forward,
        });
        before = after;
    }
    let mut told = told(&seen[WARM_UP..]);
    told["nothing"] = nothing(url, seen.len()).await;
    println!("{told}");
}

/// Requests that take the same road to no work: what the machine, its sockets and HTTP/2 cost.
async fn nothing(url: &str, requests: usize) -> Value {
    let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let mut seconds = Vec::new();
    for _ in 0..requests {
        let clock = Instant::now();
        health.check(HealthCheckRequest::default()).await.unwrap();
        seconds.push(clock.elapsed().as_secs_f64());
    }
    shares(seconds.split_off(WARM_UP))
}

fn told(seen: &[Request]) -> Value {
    let of = |seconds: fn(&Request) -> f64| shares(seen.iter().map(seconds).collect());
    json!({
        "whole": of(|request| request.whole),
        "call": of(|request| request.call),
        "queue": of(|request| request.queue),
        "decode": of(|request| request.decode),
        "forward": of(|request| request.forward),
        "beside": of(|request| request.whole - request.decode - request.forward),
        "beside_in_server": of(|request| request.call - request.decode - request.forward),
    })
}

fn shares(mut seconds: Vec<f64>) -> Value {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds[(seconds.len() as f64 * share) as usize] * 1e3;
    json!({ "p50": at(0.5), "p99": at(0.99) })
}

/// What has been spent once the request that was just answered is written down, which happens while
/// its answer is on its way.
fn after(metrics: &str, before: Spent) -> Spent {
    loop {
        let after = spent(metrics);
        if after.requests > before.requests {
            return after;
        }
    }
}

fn spent(metrics: &str) -> Spent {
    let mut connection = TcpStream::connect(metrics).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {metrics}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    connection.read_to_string(&mut page).unwrap();
    let mut spent = Spent::default();
    for (name, value) in page.lines().filter_map(|line| line.rsplit_once(' ')) {
        let (metric, labels) = name.split_once('{').unwrap_or((name, ""));
        let call = labels.contains("/EstimateAge\"");
        let sum = match metric {
            "rpc_server_call_duration_seconds_count" if call => &mut spent.requests,
            "rpc_server_call_duration_seconds_sum" if call => &mut spent.call,
            "agespan_estimator_queue_time_seconds_sum" => &mut spent.queue,
            "agespan_estimator_decode_time_seconds_sum" => &mut spent.decode,
            "agespan_estimator_forward_time_seconds_sum" => &mut spent.forward,
            _ => continue,
        };
        *sum += value.parse::<f64>().unwrap();
    }
    spent
}
