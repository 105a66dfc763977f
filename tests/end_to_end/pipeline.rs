//! Import, train, calibrate, evaluate, predict: by the command line, on pictures of our own.

use std::fs;

use agespan_tests::{Process, Sandbox, faces, look};
use serde_json::Value;

async fn lines(sandbox: &Sandbox, server: &Process, arguments: &[&str]) -> Vec<Value> {
    let said = sandbox.agespan(server, &[&["--json"], arguments].concat()).await;
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn from_a_folder_of_pictures_to_intervals_of_ones_own() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    faces::write(&sandbox.path("faces"), 400);
    let imported = lines(&sandbox, &server, &["dataset", "import", "faces", "--name", "f"]).await;
    assert_eq!(imported[0]["name"], "datasets/f");
    assert_eq!(imported[0]["sample_count"], 400);

    let train = ["train", "--dataset", "f", "--epochs", "1", "--max-samples", "64"];
    let begin = [&train[..], &["--backbone", "mobilenet-v2"]].concat();
    let first = lines(&sandbox, &server, &begin).await.remove(0);
    assert_eq!(first["input_size"], 112);
    let begun = first["name"].as_str().unwrap();
    let taught = ["--from", begun, "--input-size", "64", "--teacher", begun, "--mixup", "0.2"];
    let go_on = [&train[..], &taught, &["--out", "trained"]].concat();
    let model = lines(&sandbox, &server, &go_on).await.remove(0);
    assert_eq!(model["input_size"], 64);
    training_was_written(&sandbox, model["name"].as_str().unwrap());
    assert_eq!((&model["shipped"], &model["dataset"]), (&Value::from(false), &imported[0]["name"]));
    let name = model["name"].as_str().unwrap();
    assert_eq!(lines(&sandbox, &server, &["model", "list"]).await.len(), 3);

    let calibrate = ["calibrate", "--dataset", "f", "--model", name];
    let calibration = lines(&sandbox, &server, &calibrate).await.remove(0);
    assert_eq!(calibration["model"], model["name"]);
    assert_eq!(calibration["active"], true);

    let other = [&calibrate[..], &["--score", "absolute", "--no-activate"]].concat();
    let other = lines(&sandbox, &server, &other).await.remove(0);
    let evaluate =
        ["evaluate", "estimator", "--dataset", "f", "--model", name, "--out", "evaluated"];
    let baseline = ["--baseline-calibration", other["name"].as_str().unwrap()];
    let check = ["--ages", "1,50", "--false-pass-rate", "0.3"];
    let evaluate = [&evaluate[..], &baseline, &check].concat();
    let report = lines(&sandbox, &server, &evaluate).await.remove(0);
    decisions_and_comparison(&sandbox, &report, &other["name"]);
    assert_eq!(report["model"], model["name"]);
    assert_eq!(report["calibration"], calibration["name"]);
    let overall = &report["overall"];
    assert!(overall["n"].as_u64().unwrap() > 20);
    assert!(overall["coverage"]["lower"].as_f64() <= overall["coverage"]["value"].as_f64());

    let curve = report["diagnostics"]["curve"].as_array().unwrap();
    assert_eq!(curve.len(), 20);
    assert!(curve.iter().all(|point| point["n"] == overall["n"]));
    // What is promised more often is wider, and is kept more often.
    let number = |point: &Value, path: &str| point.pointer(path).unwrap().as_f64().unwrap();
    for path in ["/mean_width", "/coverage/value"] {
        assert!(curve.windows(2).all(|two| number(&two[0], path) <= number(&two[1], path)));
    }
    let by: Vec<_> =
        report["divisions"].as_array().unwrap().iter().map(|d| d["by"].as_str().unwrap()).collect();
    assert_eq!(by.len(), 5);
    for division in report["divisions"].as_array().unwrap() {
        let counts =
            division["groups"].as_array().unwrap().iter().map(|g| g["n"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), overall["n"].as_u64().unwrap(), "{division}");
    }
    let written = fs::read(sandbox.path("evaluated/report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), report);
    look(&sandbox.path("evaluated/report.html")).await;
    look(&sandbox.path("trained/training.html")).await;
    let page = fs::read_to_string(sandbox.path("evaluated/report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 6);
    assert!(page.contains(name) && !page.contains("http-equiv") && !page.contains("src="));

    let photo = faces::portrait();
    let predict = ["predict", photo.to_str().unwrap()];
    let shipped = lines(&sandbox, &server, &predict).await.remove(0);
    lines(&sandbox, &server, &["model", "activate", name]).await;
    let own = lines(&sandbox, &server, &predict).await.remove(0);
    assert_eq!((&own["model"], &own["calibration"]), (&model["name"], &calibration["name"]));
    assert_ne!(own["age"], shipped["age"]);

    let jobs = lines(&sandbox, &server, &["job", "list"]).await;
    let kinds: Vec<_> = jobs.iter().map(|job| job["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["evaluate-estimator", "train-model", "train-model", "import-dataset"]);
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"));
}

/// What there is beside errors and coverage.
fn decisions_and_comparison(sandbox: &Sandbox, report: &Value, baseline: &Value) {
    let (all, gender) = (&report["overall"]["n"], &report["gender"]);
    let checks = report["age_checks"].as_array().unwrap();
    assert!(checks[0]["refusal"].as_str().unwrap_or_default().contains("younger than 1;"));
    let counts = ["younger", "older"].map(|side| checks[1][side].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), all.as_u64().unwrap(), "{}", checks[1]);
    assert!(checks[1]["years"].as_array().unwrap().iter().all(|year| year["n"].as_u64() > Some(0)));
    // Of the same predictions only the intervals differ.
    let comparison = &report["comparison"];
    assert_eq!((&comparison["calibration"], &comparison["n"]), (baseline, all));
    assert_eq!(comparison["error"]["value"], 0.0, "{comparison}");
    assert_ne!(comparison["width"]["value"], 0.0, "{comparison}");
    let area = gender["roc_area"]["value"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&area) && gender["roc"].as_array().unwrap().len() > 2);
    let rows = fs::read_to_string(sandbox.path("evaluated/rows.csv")).unwrap();
    assert_eq!(rows.lines().count() as u64, all.as_u64().unwrap() + 1);
    assert!(rows.starts_with("path,true_age,true_gender,race,age,lower,upper,group,gender,"));
}

fn training_was_written(sandbox: &Sandbox, model: &str) {
    let written = fs::read(sandbox.path("trained/training.json")).unwrap();
    let training: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(training["model"], model);
    assert_eq!(training["epochs"].as_array().unwrap().len(), 1);
    assert!(training["epochs"][0]["loss"].as_f64().unwrap() > 0.0);
    let page = fs::read_to_string(sandbox.path("trained/training.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(page.contains(model) && page.contains("teachers"));
    // The same file lies where TensorBoard could follow the run.
    let figures = fs::read(sandbox.path("trained/events.out.tfevents")).unwrap();
    let runs = fs::read_dir(sandbox.path("agespan/training")).unwrap();
    let followed: Vec<Vec<u8>> = runs
        .map(|run| fs::read_dir(run.unwrap().path()).unwrap().next().unwrap().unwrap())
        .map(|file| fs::read(file.path()).unwrap())
        .collect();
    assert_eq!(followed.len(), 2);
    assert!(followed.contains(&figures) && figures.len() > 100);
}

#[tokio::test]
async fn predict_says_all_that_a_program_needs() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let photo = faces::portrait();
    let folder = photo.parent().unwrap().to_str().unwrap();
    let answers = lines(&sandbox, &server, &["predict", folder, "--coverage", "0.8"]).await;
    assert_eq!(answers.len(), 2);
    for answer in answers {
        let number = |field: &str| answer[field].as_f64().unwrap();
        assert!(number("lower") <= number("age") && number("age") <= number("upper"));
        assert!((0.0..=1.0).contains(&number("probability_female")));
        assert_eq!(number("coverage"), 0.8);
        assert!(answer["group_size"].as_u64().unwrap() >= 9);
        assert!(answer["model"].as_str().unwrap().starts_with("models/"));
        assert!(answer["calibration"].as_str().unwrap().starts_with("calibrations/"));
        assert_eq!(answer["box"], serde_json::json!([0, 0, 200, 200]));
        assert!(answer["file"].as_str().unwrap().ends_with(".jpg"));
    }
    let said = sandbox.agespan(&server, &["predict", folder]).await;
    assert!(said.out.contains("collins.jpg") && said.out.contains("interval"), "{}", said.out);
}
