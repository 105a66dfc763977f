//! Samples for other programs: prepared batches, single images, clusters, other formats, over RPC.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod server;
mod synthetic;

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::dataset::v1 as proto;
use agespan_client::proto::dataset::v1::{ClusterTie, Split, StreamSamplesRequest};
use agespan_imaging::{Limits, decode, square};
use agespan_service::Role;
use server::{Server, reason};
use synthetic::{Files, good, jpeg, zip};
use tonic::Code;

const SIDE: u32 = 32;

async fn imported(files: &Files) -> Server {
    let server = Server::start(Role::All).await;
    let source = zip(&server.path("faces.zip"), files);
    server.import(&source, "faces").await.unwrap();
    server
}

fn of_train() -> StreamSamplesRequest {
    let name = "datasets/faces".to_owned();
    StreamSamplesRequest { name, split: Split::Train.into(), ..Default::default() }
}

async fn messages(
    server: &Server,
    request: StreamSamplesRequest,
) -> Vec<proto::StreamSamplesResponse> {
    let mut stream = server.datasets().stream_samples(request).await.unwrap().into_inner();
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        messages.push(message);
    }
    messages
}

#[tokio::test]
async fn prepared_batches_are_the_files_decoded_and_resized() {
    let files = good(200);
    let server = imported(&files).await;
    let samples: Vec<_> =
        messages(&server, of_train()).await.into_iter().flat_map(|m| m.samples).collect();
    let request = StreamSamplesRequest { side: SIDE, ..of_train() };
    let prepared = messages(&server, request).await;
    assert!(prepared.len() > 1);
    let mut expected = samples.iter();
    for message in prepared {
        assert!(message.samples.is_empty());
        let batch = message.prepared.unwrap();
        let count = batch.paths.len();
        assert_eq!(batch.pixels.len(), count * (SIDE * SIDE * 3) as usize);
        assert_eq!([batch.ages_lower.len(), batch.genders.len()], [count; 2]);
        let images = batch.pixels.chunks_exact((SIDE * SIDE * 3) as usize);
        for (at, pixels) in images.enumerate() {
            let sample = expected.next().unwrap();
            let label = sample.sample.as_ref().unwrap();
            let image = square(&decode(&sample.image, &Limits::default()).unwrap(), SIDE);
            assert_eq!(pixels, image.as_raw());
            assert_eq!(batch.paths[at], label.path);
            let ages = [batch.ages_lower[at], batch.ages_upper[at]];
            assert_eq!(ages, [label.age.unwrap(); 2]);
            assert_eq!(batch.genders[at], label.gender);
        }
    }
    assert!(expected.next().is_none());
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke() {
    let server = imported(&good(200)).await;
    for side in [0, SIDE] {
        let whole = messages(&server, StreamSamplesRequest { side, ..of_train() }).await;
        let resume_token = whole[0].resume_token.clone();
        let rest =
            messages(&server, StreamSamplesRequest { side, resume_token, ..of_train() }).await;
        assert_eq!(rest, whole[1..]);
        let resume_token = whole.last().unwrap().resume_token.clone();
        let end =
            messages(&server, StreamSamplesRequest { side, resume_token, ..of_train() }).await;
        assert!(end.is_empty());
    }
}

#[tokio::test]
async fn tokens_and_sides_are_checked() {
    let server = imported(&good(50)).await;
    let token = messages(&server, of_train()).await[0].resume_token.clone();
    let refuse = async |request: StreamSamplesRequest| {
        reason(&server.datasets().stream_samples(request).await.unwrap_err())
    };
    for resume_token in ["x", "1", &token.replace("train", "test"), &format!("{token}9")] {
        let request = StreamSamplesRequest { resume_token: resume_token.to_owned(), ..of_train() };
        let why = (Code::InvalidArgument, "RESUME_TOKEN".into());
        assert_eq!(refuse(request).await, why, "{resume_token}");
    }
    for side in [7, 513] {
        let request = StreamSamplesRequest { side, ..of_train() };
        assert_eq!(refuse(request).await, (Code::InvalidArgument, "SIDE".into()));
    }
}

#[tokio::test]
async fn images_are_given_by_path() {
    let files = good(30);
    let server = imported(&files).await;
    let paths = vec![files[7].0.clone(), files[2].0.clone()];
    let request = proto::GetSampleImagesRequest { name: "datasets/faces".into(), paths, side: 0 };
    let get = async |request: proto::GetSampleImagesRequest| {
        server.datasets().get_sample_images(request).await.map(tonic::Response::into_inner)
    };
    let given = get(request.clone()).await.unwrap().samples;
    let images: Vec<&[u8]> = given.iter().map(|sample| &sample.image[..]).collect();
    assert_eq!(images, [&files[7].1[..], &files[2].1]);
    let sized = proto::GetSampleImagesRequest { side: SIDE, ..request.clone() };
    assert_eq!(get(sized).await.unwrap().prepared.unwrap().paths, request.paths);

    let with = |paths| proto::GetSampleImagesRequest { paths, ..request.clone() };
    let missing = get(with(vec!["none.jpg".into()])).await.unwrap_err();
    assert_eq!(reason(&missing), (Code::NotFound, "NOT_FOUND".into()));
    for count in [0, 65] {
        let status = get(with(vec![files[0].0.clone(); count])).await.unwrap_err();
        assert_eq!(reason(&status), (Code::InvalidArgument, "PATHS".into()));
    }
}

#[tokio::test]
async fn clusters_are_listed_with_what_ties_them() {
    let mut files = good(40);
    // The same instant, and the same picture without loss.
    let moment = |age: u32| format!("UTKFace/{age}_0_0_20170101000000000.jpg");
    files.push((moment(20), jpeg(500)));
    files.push((moment(50), jpeg(501)));
    let lossless = agespan_imaging::encode_png(&synthetic::picture(600)).unwrap();
    files.push(("UTKFace/30_0_0_1.jpg".into(), jpeg(600)));
    files.push(("UTKFace/30_0_0_2.png".into(), lossless));
    files.sort();
    let server = imported(&files).await;
    let request = proto::ListClustersRequest {
        name: "datasets/faces".into(),
        page_size: 1,
        ..Default::default()
    };
    let first = server.datasets().list_clusters(request.clone()).await.unwrap().into_inner();
    let page_token = first.next_page_token.clone();
    let request = proto::ListClustersRequest { page_token, ..request };
    let second = server.datasets().list_clusters(request).await.unwrap().into_inner();
    assert_eq!(second.next_page_token, "");
    let clusters = [first.clusters, second.clusters].concat();
    let ties: Vec<_> = clusters.iter().map(|cluster| cluster.ties().collect::<Vec<_>>()).collect();
    assert_eq!(ties, [[ClusterTie::Timestamp], [ClusterTie::Look]]);
    let paths: Vec<Vec<&str>> = clusters
        .iter()
        .map(|cluster| cluster.samples.iter().map(|sample| sample.path.as_str()).collect())
        .collect();
    assert_eq!(paths[0], [moment(20), moment(50)]);
    assert_eq!(paths[1], ["UTKFace/30_0_0_1.jpg", "UTKFace/30_0_0_2.png"]);

    let list = proto::ListSamplesRequest {
        name: "datasets/faces".into(),
        page_size: 1000,
        ..Default::default()
    };
    let samples = server.datasets().list_samples(list).await.unwrap().into_inner().samples;
    let named = samples.iter().filter(|sample| !sample.cluster.is_empty());
    assert_eq!(named.map(|sample| &sample.cluster).collect::<Vec<_>>().len(), 4);
    let statistics = proto::GetDatasetStatisticsRequest { name: "datasets/faces".into() };
    let statistics = server.datasets().get_dataset_statistics(statistics).await.unwrap();
    let statistics = statistics.into_inner();
    assert_eq!((statistics.cluster_count, statistics.clustered_sample_count), (2, 4));
}

#[tokio::test]
async fn ranges_go_all_the_way() {
    let server = Server::start(Role::All).await;
    let mut files: Files = (0..60).map(|i| (format!("train/{i}.jpg"), jpeg(i))).collect();
    let lines = (0..60).map(|i| format!("train/{i}.jpg,20-29,Female,Black,True\n"));
    let table = format!("file,age,gender,race,service_test\n{}", lines.collect::<String>());
    files.push(("fairface_label_train.csv".into(), table.into_bytes()));
    let source = zip(&server.path("faces.zip"), &files);
    let request = proto::ImportDatasetRequest {
        format: proto::Format::Fairface.into(),
        ..server::import_request(&source, "faces")
    };
    let job = server.submit(request).await.unwrap();
    server.client.follow(&job.name, |_| {}).await.unwrap();
    let batch = messages(&server, StreamSamplesRequest { side: SIDE, ..of_train() }).await;
    let batch = batch[0].prepared.clone().unwrap();
    assert!(batch.ages_lower.iter().all(|age| *age == 20));
    assert!(batch.ages_upper.iter().all(|age| *age == 29));
    assert!(batch.genders().all(|gender| gender == Gender::Female));
    let samples = messages(&server, of_train()).await.remove(0).samples;
    let sample = samples[0].sample.as_ref().unwrap();
    assert_eq!((sample.age, sample.race.as_str()), (None, "Black"));
    assert_eq!(sample.age_range, Some(proto::AgeRange { lower: 20, upper: 29 }));
}

#[tokio::test]
async fn formats_are_checked_at_once() {
    let server = Server::start(Role::All).await;
    let good = server::import_request(&zip(&server.path("faces.zip"), &good(3)), "faces");
    let table = |tables: &[&str], columns: Option<proto::Columns>| proto::ImportDatasetRequest {
        format: proto::Format::Table.into(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        columns,
        ..good.clone()
    };
    let columns = |path: &str, age: &str| {
        Some(proto::Columns { path: path.into(), age: age.into(), ..Default::default() })
    };
    let refusals = [
        (table(&["a.csv"], columns("", "age")), "COLUMN_MISSING", "columns.path"),
        (table(&["a.csv"], columns("file", "")), "COLUMN_MISSING", "columns.age"),
        (table(&["a.csv"], None), "COLUMN_MISSING", "columns.path"),
        (table(&[], columns("file", "age")), "TABLE_MISSING", "tables"),
        (
            proto::ImportDatasetRequest { columns: columns("a", "b"), ..good.clone() },
            "COLUMNS",
            "columns",
        ),
        (
            proto::ImportDatasetRequest { tables: vec!["a.csv".into()], ..good.clone() },
            "TABLES",
            "tables",
        ),
    ];
    for (request, why, field) in refusals {
        let status = server.submit(request).await.unwrap_err();
        assert_eq!(reason(&status), (Code::InvalidArgument, why.into()));
        assert!(status.message().starts_with(&format!("{field}: ")), "{}", status.message());
    }
    // What only the source can tell fails the job.
    let request = table(&["none.csv"], columns("file", "age"));
    let job = server.submit(request).await.unwrap();
    let status = server.client.follow(&job.name, |_| {}).await.unwrap_err();
    assert!(status.message().contains("LABEL_TABLE"), "{status}");
}
