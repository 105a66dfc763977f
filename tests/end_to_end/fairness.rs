//! One caller floods the estimator, and another is answered all the same; whoever has gone away is not
//! worked for.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use agespan_client::proto::estimator::v1::EstimateAgeRequest;
use agespan_client::{Client, Credentials, TokenSource};
use agespan_tests::{Process, Sandbox, faces, free_address};
use bytes::Bytes;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::traces::scraped;

/// Requests of the flood that are under way at the same time; the line is shorter.
const FLOOD: usize = 48;
const NARROW: [&str; 7] = ["up", "--model-threads", "1", "--queue", "8", "--at-once", "2"];

/// A client that shows the token of a caller of its own.
fn caller(sandbox: &Sandbox, server: &Process, name: &str) -> Client {
    let token = fs::read_to_string(sandbox.path(name)).unwrap().trim().to_owned();
    let token = Some(TokenSource::Given(token.into()));
    Client::with(&server.url, &Credentials { token, ..Default::default() }).unwrap()
}

async fn ask(client: &Client, image: &Bytes) -> Result<(), Status> {
    let request = EstimateAgeRequest { image: image.clone(), ..Default::default() };
    client.estimator().estimate_age(request).await.map(drop)
}

#[tokio::test]
async fn a_caller_who_floods_does_not_starve_another() {
    let sandbox = Sandbox::new().await;
    for name in ["flood", "other"] {
        let new = ["token", "new", name, "--append", "tokens.toml", "--permissions", "predict"];
        let said = sandbox.alone(&new).await;
        assert_eq!(said.code, 0, "{}", said.err);
        fs::write(sandbox.path(name), said.out).unwrap();
    }
    let tokens = sandbox.path("tokens.toml");
    let guarded = [&NARROW[..], &["--tokens", tokens.to_str().unwrap()]].concat();
    let server = sandbox.start("agespan", &guarded).await;
    server.ready("agespan.estimator.v1.EstimatorService").await;
    let image = Bytes::from(fs::read(faces::portrait()).unwrap());

    let over = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(AtomicU64::new(0));
    let flood = caller(&sandbox, &server, "flood");
    let floods: Vec<_> = (0..FLOOD)
        .map(|_| {
            let (over, refused) = (over.clone(), refused.clone());
            let (flood, image) = (flood.clone(), image.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let Err(status) = ask(&flood, &image).await else { continue };
                    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                    assert!(status.get_details_retry_info().is_some(), "{status}");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while refused.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let other = caller(&sandbox, &server, "other");
    for _ in 0..20 {
        ask(&other, &image).await.expect("who asks one at a time is never refused");
    }
    over.store(true, Ordering::Relaxed);
    for task in floods {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn who_has_gone_away_is_not_worked_for() {
    let sandbox = Sandbox::new().await;
    let free = free_address();
    let counted = [&NARROW[..], &["--metrics-listen", &free]].concat();
    let server = sandbox.start("agespan", &counted).await;
    server.ready("agespan.estimator.v1.EstimatorService").await;
    let image = Bytes::from(fs::read(faces::portrait()).unwrap());
    let count = async |metric: &str| -> u64 {
        let lines = scraped(&free, metric).await;
        lines.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    // Two at once, so that most wait until their time is over.
    let hasty = || {
        let (client, image) = (server.client.clone(), image.clone());
        async move {
            let mut request = Request::new(EstimateAgeRequest { image, ..Default::default() });
            request.set_timeout(Duration::from_millis(4));
            client.estimator().estimate_age(request).await
        }
    };
    let mut rounds = 0;
    while count("agespan_estimator_abandoned_total").await == 0 {
        rounds += 1;
        assert!(rounds < 200, "nobody was seen to go away");
        futures_util::future::join_all((0..8).map(|_| hasty())).await;
    }
    // Of all who asked, the network saw only those who were there to be answered.
    let (seen, asked) = (count("agespan_estimator_batch_size_sum").await, rounds as u64 * 8);
    assert!(seen < asked, "{seen} of {asked}");
    ask(&server.client, &image).await.unwrap();
}
