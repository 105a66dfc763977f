//! A model answers in 32, 16 or 8 bits, and nearly the same.

use std::fs;

use agespan_client::proto::estimator::v1::EstimateAgeRequest;
use agespan_tests::{Sandbox, faces};

/// In years. Single faces move by two at most on UTKFace's test split, a fifth of one in the mean.
const APART: f64 = 2.0;

#[tokio::test]
async fn an_estimate_hardly_depends_on_the_numbers_that_make_it() {
    let sandbox = Sandbox::new().await;
    let mut ages = Vec::new();
    for precision in ["float32", "bfloat16", "int8"] {
        let up = ["up", "--model-threads", "1", "--precision", precision];
        let server = sandbox.start("agespan", &up).await;
        server.ready("agespan.estimator.v1.EstimatorService").await;
        let image = fs::read(faces::portrait()).unwrap().into();
        let request = EstimateAgeRequest { image, ..Default::default() };
        let answer = server.client.estimator().estimate_age(request).await.unwrap().into_inner();
        ages.push(answer.faces[0].age);
        server.stop().await;
    }
    assert!(ages.iter().all(|age| (age - ages[0]).abs() < APART), "{ages:?}");
}
