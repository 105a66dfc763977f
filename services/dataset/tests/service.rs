//! The service over a real connection, with a real Redis.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod server;
mod synthetic;

use std::collections::BTreeMap;
use std::path::Path;

use agespan_client::proto::dataset::v1::{self as proto, Split};
use agespan_service::Role;
use server::{Server, reason};
use synthetic::{Files, good, hostile_zip, mixed, tar, zip};
use tonic::Code;

const SPLITS: [Split; 4] = [Split::Train, Split::Validation, Split::Calibration, Split::Test];
const FACES: u64 = 63;
const QUARANTINED: u64 = 10;

async fn imported(files: &Files) -> Server {
    let server = Server::start(Role::All).await;
    let source = zip(&server.path("faces.zip"), files);
    let result = server.import(&source, "faces").await.unwrap();
    assert_eq!(result, "datasets/faces");
    server
}

#[tokio::test]
async fn a_dataset_is_described_alike_by_every_rpc() {
    let server = imported(&mixed()).await;
    let dataset = server.dataset("datasets/faces").await.unwrap();
    assert_eq!((dataset.sample_count, dataset.quarantined_count), (FACES, QUARANTINED));
    assert_eq!(dataset.seed, 7);
    assert!(dataset.create_time.is_some());

    let name = dataset.name.clone();
    let splits = proto::GetSplitsRequest { name: name.clone() };
    let splits = server.datasets().get_splits(splits).await.unwrap().into_inner().splits;
    assert_eq!(splits, dataset.splits);
    assert_eq!(splits.iter().map(|split| split.split()).collect::<Vec<_>>(), SPLITS);

    let statistics = proto::GetDatasetStatisticsRequest { name };
    let statistics = server.datasets().get_dataset_statistics(statistics).await.unwrap();
    let statistics = statistics.into_inner();
    assert_eq!(statistics.quarantined.iter().map(|reason| reason.count).sum::<u64>(), QUARANTINED);
    for split in splits {
        let cells = statistics.cells.iter().filter(|cell| cell.split == split.split);
        assert_eq!(cells.map(|cell| cell.count).sum::<u64>(), split.sample_count);
    }
    let races = ["White", "Black", "Asian", "Indian", "Others"];
    assert!(races.iter().all(|race| statistics.cells.iter().any(|cell| cell.race == *race)));
}

#[tokio::test]
async fn datasets_are_listed_in_pages_until_they_are_deleted() {
    let server = imported(&good(20)).await;
    for name in ["b", "a"] {
        server.import(&server.path("faces.zip"), name).await.unwrap();
    }
    let page = proto::ListDatasetsRequest { page_size: 2, page_token: String::new() };
    let first = server.datasets().list_datasets(page).await.unwrap().into_inner();
    let page = proto::ListDatasetsRequest { page_size: 2, page_token: first.next_page_token };
    let second = server.datasets().list_datasets(page).await.unwrap().into_inner();
    assert_eq!(second.next_page_token, "");
    let names: Vec<_> = first.datasets.iter().chain(&second.datasets).map(|d| &d.name).collect();
    assert_eq!(names, ["datasets/a", "datasets/b", "datasets/faces"]);

    let delete = || proto::DeleteDatasetRequest { name: "datasets/a".into() };
    server.datasets().delete_dataset(delete()).await.unwrap();
    let again = server.datasets().delete_dataset(delete()).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    assert_eq!(server.dataset("datasets/a").await.unwrap_err().code(), Code::NotFound);
    assert!(server.dataset("datasets/b").await.is_ok());
}

async fn all_samples(server: &Server, request: proto::ListSamplesRequest) -> Vec<proto::Sample> {
    let (mut samples, mut request) = (Vec::new(), request);
    loop {
        let page = server.datasets().list_samples(request.clone()).await.unwrap().into_inner();
        assert!(page.samples.len() <= request.page_size as usize);
        samples.extend(page.samples);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return samples;
        }
    }
}

#[tokio::test]
async fn samples_are_listed_in_pages() {
    let server = imported(&mixed()).await;
    let name = "datasets/faces".to_owned();
    let all = proto::ListSamplesRequest { name, page_size: 10, ..Default::default() };
    let usable = all_samples(&server, all.clone()).await;
    assert_eq!(usable.len() as u64, FACES);
    assert!(usable.is_sorted_by(|a, b| a.path < b.path));
    assert!(
        usable.iter().all(|sample| sample.age.is_some() && sample.quarantine_reason.is_empty())
    );

    let quarantined = proto::ListSamplesRequest { quarantined: true, page_size: 3, ..all.clone() };
    let quarantined = all_samples(&server, quarantined).await;
    assert_eq!(quarantined.len() as u64, QUARANTINED);
    let readme = quarantined.iter().find(|sample| sample.path.ends_with("README.txt")).unwrap();
    assert_eq!(readme.quarantine_reason, "NOT_AN_IMAGE_NAME");
    assert_eq!((readme.age, readme.pixel_hash.as_str(), readme.race.as_str()), (None, "", ""));

    let mut of_splits = 0;
    for split in SPLITS {
        let of_split = proto::ListSamplesRequest { split: split.into(), ..all.clone() };
        let samples = all_samples(&server, of_split).await;
        assert!(samples.iter().all(|sample| sample.split() == split));
        of_splits += samples.len() as u64;
    }
    assert_eq!(of_splits, FACES);

    for page_token in ["x", "-1", "63", "99999999999999999999999"] {
        let request = proto::ListSamplesRequest { page_token: page_token.into(), ..all.clone() };
        let status = server.datasets().list_samples(request).await.unwrap_err();
        assert_eq!(reason(&status), (Code::InvalidArgument, "PAGE_TOKEN".into()), "{page_token}");
    }
    let request = proto::ListSamplesRequest { page_size: 1001, ..all };
    let status = server.datasets().list_samples(request).await.unwrap_err();
    assert_eq!(reason(&status), (Code::InvalidArgument, "PAGE_SIZE".into()));
}

fn of_faces() -> proto::StreamSamplesRequest {
    proto::StreamSamplesRequest { name: "datasets/faces".into(), ..Default::default() }
}

/// Reads a split as clients do that keep tonic's limit on messages.
async fn streamed(server: &Server, split: Split) -> Vec<proto::SampleImage> {
    let request = proto::StreamSamplesRequest { split: split.into(), ..of_faces() };
    let mut datasets = server.datasets().max_decoding_message_size(4 << 20);
    let mut messages = datasets.stream_samples(request).await.unwrap().into_inner();
    let mut samples = Vec::new();
    while let Some(message) = messages.message().await.unwrap() {
        assert!((1..=64).contains(&message.samples.len()));
        samples.extend(message.samples);
    }
    samples
}

fn path(sample: &proto::SampleImage) -> &str {
    &sample.sample.as_ref().unwrap().path
}

#[tokio::test]
async fn images_are_streamed_byte_for_byte() {
    let files = [mixed(), good(200)[60..].to_vec()].concat();
    let mut unseen: BTreeMap<_, _> = files.iter().cloned().collect();
    let server = imported(&unseen.clone().into_iter().collect()).await;
    for split in SPLITS {
        let samples = streamed(&server, split).await;
        assert!(!samples.is_empty());
        assert!(samples.is_sorted_by(|a, b| path(a) < path(b)));
        for sample in samples {
            assert_eq!(sample.sample.as_ref().unwrap().split(), split);
            assert_eq!(unseen.remove(path(&sample)).unwrap(), sample.image);
        }
    }
    let dataset = server.dataset("datasets/faces").await.unwrap();
    assert_eq!(unseen.len() as u64, dataset.quarantined_count);
}

/// More than one shard of images of three quarters of a megabyte, and no order in the tar.
#[tokio::test]
async fn large_images_of_an_unordered_tar_are_streamed_in_order_and_small_messages() {
    let files: Files = (0..72)
        .map(|i| {
            let name = format!("{}_{}_0_2017{i:013}.png", i % 60, i % 2);
            (name, agespan_imaging::encode_png(&synthetic::noise(i, 500)).unwrap())
        })
        .collect();
    let (even, odd): (Vec<_>, Vec<_>) = (0..72).partition(|i| i % 2 == 0);
    let shuffled = [even, odd].concat().into_iter().map(|i| files[i].clone()).collect();
    let originals: BTreeMap<_, _> = files.into_iter().collect();

    let server = Server::start(Role::All).await;
    std::fs::write(server.path("faces.tar"), tar(&shuffled)).unwrap();
    server.import(&server.path("faces.tar"), "faces").await.unwrap();
    let train = streamed(&server, Split::Train).await;
    assert!(train.iter().map(|sample| sample.image.len()).sum::<usize>() > 32 << 20);
    assert!(train.is_sorted_by(|a, b| path(a) < path(b)));
    assert!(train.iter().all(|sample| originals[path(sample)] == sample.image));
}

#[tokio::test]
async fn a_repeated_request_gets_its_first_job() {
    let server = Server::start(Role::All).await;
    let source = zip(&server.path("faces.zip"), &good(20));
    let request = proto::ImportDatasetRequest {
        request_id: "first".into(),
        ..server::import_request(&source, "faces")
    };
    let first = server.submit(request.clone()).await.unwrap();
    assert_eq!(server.submit(request.clone()).await.unwrap().name, first.name);
    server.client.follow(&first.name, |_| {}).await.unwrap();
    // The dataset is there now, and the source need not be any more.
    std::fs::remove_file(&source).unwrap();
    assert_eq!(server.submit(request.clone()).await.unwrap().name, first.name);

    for request_id in ["", "second"] {
        let other =
            proto::ImportDatasetRequest { request_id: request_id.into(), ..request.clone() };
        let status = server.submit(other).await.unwrap_err();
        assert_eq!(reason(&status), (Code::AlreadyExists, "ALREADY_EXISTS".into()));
    }
    let source = zip(&server.path("faces.zip"), &good(20));
    let other = proto::ImportDatasetRequest { seed: 8, ..server::import_request(&source, "other") };
    let other = proto::ImportDatasetRequest { request_id: "first".into(), ..other };
    let status = server.submit(other).await.unwrap_err();
    assert_eq!(reason(&status), (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

#[tokio::test]
async fn bad_requests_are_refused_at_once() {
    let server = Server::start(Role::All).await;
    let good = server::import_request(&zip(&server.path("faces.zip"), &good(3)), "faces");
    let named = |dataset_id: &str| proto::ImportDatasetRequest {
        dataset_id: dataset_id.into(),
        ..good.clone()
    };
    let from = |source: &str| proto::ImportDatasetRequest { source: source.into(), ..good.clone() };
    let format = proto::ImportDatasetRequest { format: 99, ..good.clone() };
    let too_long = "x".repeat(5000);
    let beyond = proto::SplitFractions { train: 0.9, validation: 0.2, ..Default::default() };
    let beyond = proto::ImportDatasetRequest { fractions: Some(beyond), ..good.clone() };
    let refusals = [
        (beyond, Code::InvalidArgument, "FRACTIONS"),
        (named(""), Code::InvalidArgument, "DATASET_NAME"),
        (named("Faces"), Code::InvalidArgument, "DATASET_NAME"),
        (named("../faces"), Code::InvalidArgument, "DATASET_NAME"),
        (from(""), Code::InvalidArgument, "SOURCE"),
        (from("a\0b"), Code::InvalidArgument, "SOURCE"),
        (from("/no/such/file.zip"), Code::NotFound, "NOT_FOUND"),
        (from(&too_long), Code::NotFound, "NOT_FOUND"),
        (format, Code::InvalidArgument, "UNKNOWN_ENUM"),
    ];
    for (request, code, why) in refusals {
        let status = server.submit(request.clone()).await.unwrap_err();
        assert_eq!(reason(&status), (code, why.into()), "{request:?}: {status}");
    }
    // The server has taken no harm.
    assert!(server.import(&server.path("faces.zip"), "faces").await.is_ok());
}

#[tokio::test]
async fn bad_sources_fail_their_job_with_a_reason() {
    let server = Server::start(Role::All).await;
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(server.path(name), bytes).unwrap();
        server.path(name)
    };
    let unusable = vec![("README.txt".to_owned(), b"hello".to_vec())];
    let whole = std::fs::read(zip(&server.path("whole.zip"), &good(9))).unwrap();
    let sources = [
        (hostile_zip(&server.path("a.zip"), "../5_0_0_1.jpg"), "UNSAFE_ENTRY", "../5_0_0_1.jpg"),
        (file("b", b"hello"), "UNKNOWN_CONTAINER", "is no directory, zip, tar"),
        (file("c.zip", &whole[..whole.len() / 2]), "DAMAGED_ARCHIVE", "c.zip is damaged"),
        (zip(&server.path("d.zip"), &unusable), "NOTHING_USABLE", "none of the 1 files"),
    ];
    for (source, why, words) in sources {
        let job = server.failed(&source).await;
        let error = job.error.unwrap();
        assert_eq!(error.reason, why);
        assert!(error.message.contains(words), "{}", error.message);
        assert_eq!(job.attempt, 1, "{why} is no reason to try again");
    }
    assert_eq!(server.dataset("datasets/faces").await.unwrap_err().code(), Code::NotFound);
    assert!(server.import(&server.path("whole.zip"), "faces").await.is_ok());
}

#[tokio::test]
async fn unknown_names_are_not_found() {
    let server = Server::start(Role::Server).await;
    let expected = [
        ("datasets/none", Code::NotFound, "NOT_FOUND"),
        ("none", Code::InvalidArgument, "RESOURCE_NAME"),
        ("datasets/..", Code::InvalidArgument, "DATASET_NAME"),
    ];
    for (name, code, why) in expected {
        let (name, why) = (name.to_owned(), (code, why.to_owned()));
        let mut datasets = server.datasets();
        assert_eq!(reason(&server.dataset(&name).await.unwrap_err()), why);
        let request = proto::GetSplitsRequest { name: name.clone() };
        assert_eq!(reason(&datasets.get_splits(request).await.unwrap_err()), why);
        let request = proto::GetDatasetStatisticsRequest { name: name.clone() };
        assert_eq!(reason(&datasets.get_dataset_statistics(request).await.unwrap_err()), why);
        let request = proto::DeleteDatasetRequest { name: name.clone() };
        assert_eq!(reason(&datasets.delete_dataset(request).await.unwrap_err()), why);
        let request = proto::ListSamplesRequest { name: name.clone(), ..Default::default() };
        assert_eq!(reason(&datasets.list_samples(request).await.unwrap_err()), why);
        let split = Split::Test.into();
        let request = proto::StreamSamplesRequest { name, split, ..Default::default() };
        assert_eq!(reason(&datasets.stream_samples(request).await.unwrap_err()), why);
    }
    for (split, why) in [(0, "SPLIT_MISSING"), (9, "UNKNOWN_ENUM")] {
        let name = "datasets/none".into();
        let request = proto::StreamSamplesRequest { name, split, ..Default::default() };
        let status = server.datasets().stream_samples(request).await.unwrap_err();
        assert_eq!(reason(&status), (Code::InvalidArgument, why.into()));
    }
}

/// An attempt that died between creating the record and saying so has done its job.
#[tokio::test]
async fn only_the_job_that_made_a_dataset_succeeds_when_it_is_there() {
    let server = Server::start(Role::Server).await;
    let source = zip(&server.path("faces.zip"), &good(20));
    let own = server.submit(server::import_request(&source, "faces")).await.unwrap();
    let other = server.submit(server::import_request(&source, "faces")).await.unwrap();
    let id = own.name.strip_prefix("jobs/").unwrap();
    server.import_as(id, &source, "faces").await;

    server.start_worker();
    assert_eq!(server.client.follow(&own.name, |_| {}).await.unwrap(), "datasets/faces");
    let status = server.client.follow(&other.name, |_| {}).await.unwrap_err();
    assert!(status.message().contains("ALREADY_EXISTS"), "{status}");
}

#[tokio::test]
async fn a_cancelled_import_leaves_nothing() {
    let server = Server::start(Role::Server).await;
    let source = zip(&server.path("faces.zip"), &good(20));
    let job = server.submit(server::import_request(&source, "faces")).await.unwrap();
    server.cancel(&job.name).await;
    server.start_worker();
    let status = server.client.follow(&job.name, |_| {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
    assert!(!Path::new(&server.path("store/datasets/faces.json")).exists());
}
