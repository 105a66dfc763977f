//! The shipped model and calibration on the test split of real faces.

use agespan_tests::{Sandbox, setting};
use serde_json::Value;

#[tokio::test]
async fn the_shipped_model_keeps_its_promises_on_faces_it_has_not_seen() {
    let Some(archive) = setting("AGESPAN_UTKFACE") else {
        println!("skipped: AGESPAN_UTKFACE does not name the UTKFace archive");
        return;
    };
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let import = ["dataset", "import", &archive, "--name", "utkface"];
    let said = sandbox.agespan(&server, &import).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let evaluate = ["--json", "evaluate", "estimator", "--dataset", "utkface"];
    let said = sandbox.agespan(&server, &evaluate).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();

    let overall = &report["overall"];
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&overall["mae"]["value"]) <= 5.0, "{overall}");
    assert!(number(&overall["mean_width"]) <= 21.0, "{overall}");
    assert!(number(&report["gender"]["accuracy"]["value"]) >= 0.9, "{}", report["gender"]);
    let coverage = &overall["coverage"];
    assert!(number(&coverage["lower"]) <= 0.9 && 0.9 <= number(&coverage["upper"]), "{overall}");
    for group in report["by_predicted_group"].as_array().unwrap() {
        assert!(number(&group["coverage"]["upper"]) >= 0.9, "{group}");
    }
}
