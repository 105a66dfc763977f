//! Bytes that are no message, or none that can be meant, to every method of every service.

use std::collections::BTreeMap;
use std::time::Duration;

use agespan_client::proto::DESCRIPTORS;
use agespan_client::proto::estimator::v1::EstimateAgeRequest;
use agespan_tests::{Sandbox, faces};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use prost::Message;
use prost_types::FileDescriptorSet;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::raw::Raw;

const SEED: u64 = 8;

/// To each method.
const MESSAGES: usize = 50;

/// Streams that have nothing to say stay open: not longer than this.
const PATIENCE: Duration = Duration::from_millis(500);

fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let mut paths = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let of = |method: &prost_types::MethodDescriptorProto| {
                format!("/{}.{}/{}", file.package(), service.name(), method.name())
            };
            paths.extend(service.method.iter().map(of));
        }
    }
    paths.retain(|path| path.starts_with("/agespan."));
    paths
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field that could be one: any number, any type, any content.
fn field(random: &mut ChaCha8Rng, depth: usize) -> Vec<u8> {
    let tag = |number: u64, kind: u64| varint(number << 3 | kind);
    // Low numbers and lengths are what fields mostly have: more than half of this is to be parsed.
    let number = random.random_range(1..=12);
    match random.random_range(0..20) {
        0 | 5 => [tag(number, 0), varint(random.random())].concat(),
        1 => [tag(number, 1), random.random::<u64>().to_le_bytes().to_vec()].concat(),
        2 => [tag(number, 5), random.random::<u32>().to_le_bytes().to_vec()].concat(),
        3 if depth < 40 => {
            let inner = field(random, depth + 1);
            [tag(number, 2), varint(inner.len() as u64), inner].concat()
        }
        // Promises more than there is.
        4 => [tag(number, 2), varint(random.random())].concat(),
        _ => {
            let text: Vec<u8> =
                (0..random.random_range(0..60)).map(|_| random.random_range(32..127)).collect();
            [tag(number, 2), varint(text.len() as u64), text].concat()
        }
    }
}

fn message(random: &mut ChaCha8Rng) -> Bytes {
    match random.random_range(0..8) {
        0 => (0..random.random_range(0..300)).map(|_| random.random::<u8>()).collect(),
        // A message in a message, ten thousand deep.
        1 => {
            let mut bytes = Vec::new();
            for _ in 0..10_000 {
                bytes = [vec![0x0A], varint(bytes.len() as u64), bytes].concat();
                if bytes.len() > 30_000 {
                    break;
                }
            }
            bytes.into()
        }
        _ => (0..random.random_range(1..4)).flat_map(|_| field(random, 0)).collect(),
    }
}

/// The first answer, or that there is none yet.
async fn send(channel: &Channel, path: &str, message: Bytes) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::try_from(path).unwrap();
    let asked = async {
        let request = Request::new(stream::iter([message]));
        let mut answers = client.streaming(request, path, Raw).await?.into_inner();
        answers.next().await.transpose().map(drop)
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Ok(()))
}

/// gRPC itself says INTERNAL of what cannot be parsed; everything else has to be somebody's fault.
fn is_precise(status: &Status) -> bool {
    match status.code() {
        Code::Internal => status.message().contains("decode Protobuf"),
        Code::Unknown | Code::DataLoss | Code::Unavailable => false,
        _ => true,
    }
}

#[tokio::test]
async fn garbage_is_answered_by_every_method() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect_lazy();
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let (mut codes, mut vague) = (BTreeMap::<String, usize>::new(), Vec::new());
    let methods = methods();
    for path in &methods {
        for number in 0..MESSAGES {
            let answer = send(&channel, path, message(&mut random)).await;
            let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
            *codes.entry(format!("{code:?}")).or_default() += 1;
            if let Err(status) = answer.as_ref()
                && !is_precise(status)
            {
                vague.push(format!("{path}, number {number}: {status}"));
            }
        }
    }
    let sent = methods.len() * MESSAGES;
    println!("seed {SEED}: {sent} messages to {} methods: {codes:?}", methods.len());
    assert!(vague.is_empty(), "{:#?}", &vague[..vague.len().min(10)]);
    let image = std::fs::read(faces::portrait()).unwrap().into();
    let request = EstimateAgeRequest { image, ..Default::default() };
    server.client.estimator().estimate_age(request).await.unwrap();
}
