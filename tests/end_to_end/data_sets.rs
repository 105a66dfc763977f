//! A data set of another layout, by the command line: ranges, people, export, page.

use std::fs;
use std::path::Path;
use std::process::Command;

use agespan_tests::{Process, Sandbox, faces, look};
use serde_json::Value;

const FACES: u32 = 300;

async fn lines(sandbox: &Sandbox, server: &Process, command: &str) -> Vec<Value> {
    let arguments: Vec<&str> = ["--json"].into_iter().chain(command.split(' ')).collect();
    let said = sandbox.agespan(server, &arguments).await;
    assert_eq!(said.code, 0, "{command}: {}", said.err);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every second age as a range, every third gender unknown, three pictures of each person.
fn write_table(folder: &Path, table: &Path) {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut text = "file,age,gender,person\n".to_owned();
    for (index, name) in names.iter().enumerate() {
        let age: u32 = name.split('_').next().unwrap().parse().unwrap();
        let decade = age / 10 * 10;
        let age = match index % 2 {
            0 => age.to_string(),
            _ => format!("{decade}-{}", decade + 9),
        };
        let gender = ["m", "f", ""][index % 3];
        text += &format!("{name},{age},{gender},p{}\n", index / 3);
    }
    fs::write(table, text).unwrap();
}

async fn imported(sandbox: &Sandbox, server: &Process) -> Value {
    faces::write(&sandbox.path("faces"), FACES);
    write_table(&sandbox.path("faces"), &sandbox.path("labels.csv"));
    let import = "dataset import faces --name f --format table --csv labels.csv \
                  --columns path=file,age=age,gender=gender,group=person";
    lines(sandbox, server, &import.split_whitespace().collect::<Vec<_>>().join(" ")).await.remove(0)
}

#[tokio::test]
async fn ages_that_are_ranges_are_trained_on_calibrated_and_left_out_of_errors() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let dataset = imported(&sandbox, &server).await;
    assert_eq!(dataset["sample_count"], FACES);
    let statistics = lines(&sandbox, &server, "dataset stats f").await;
    let last = statistics.last().unwrap();
    assert_eq!((&last["range_labelled"], &last["clusters"]), (&150.into(), &100.into()));

    let train = "train --dataset f --epochs 1 --max-samples 64 --backbone mobilenet-v2 \
                 --input-size 64 --activate";
    let train = train.split_whitespace().collect::<Vec<_>>().join(" ");
    let model = lines(&sandbox, &server, &train).await.remove(0);
    let calibrated = lines(&sandbox, &server, "calibrate --dataset f").await.remove(0);
    assert_eq!(calibrated["model"], model["name"]);
    let sizes = calibrated["groups"].as_array().unwrap().iter().map(|g| g["n"].as_u64().unwrap());
    assert_eq!(sizes.sum::<u64>(), dataset["splits"]["calibration"].as_u64().unwrap());

    let report = lines(&sandbox, &server, "evaluate estimator --dataset f").await.remove(0);
    let (exact, ranges) = (&report["overall"]["n"], &report["range_labelled"]);
    assert!(ranges.as_u64().unwrap() > 0, "{report}");
    assert_eq!(
        exact.as_u64().unwrap() + ranges.as_u64().unwrap(),
        dataset["splits"]["test"].as_u64().unwrap()
    );
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn exports_are_the_same_each_time_and_read_by_others() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let dataset = imported(&sandbox, &server).await;
    for format in ["webdataset", "parquet"] {
        let export = format!("dataset export f --split train --format {format} --out");
        let said = lines(&sandbox, &server, &format!("{export} {format}")).await;
        assert_eq!(said.len(), 1);
        assert_eq!(said[0]["samples"], dataset["splits"]["train"]);
        lines(&sandbox, &server, &format!("{export} again")).await;
        let files = files(&sandbox.path(format));
        let again = fs::read(sandbox.path("again").join(&files[0].0)).unwrap();
        assert!(files[0].1 == again, "{format}");
        let expected =
            if format == "parquet" { "train-00000-of-00001.parquet" } else { "train-000000.tar" };
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [expected]);
    }
    let listed = Command::new("tar")
        .arg("-tf")
        .arg(sandbox.path("webdataset/train-000000.tar"))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<&str> = listed.lines().collect();
    assert_eq!(names[..3], ["000000.jpg", "000000.json", "000001.jpg"]);
    assert_eq!(names.len() as u64, 2 * dataset["splits"]["train"].as_u64().unwrap());

    lines(&sandbox, &server, "dataset report f --faces 3 --out page").await;
    look(&sandbox.path("page/dataset.html")).await;
    let page = fs::read_to_string(sandbox.path("page/dataset.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("data:image/jpeg;base64").count(), 10 * 3);
    let clusters = lines(&sandbox, &server, "dataset clusters f").await;
    assert_eq!(clusters.len(), 100);
    assert!(clusters.iter().all(|cluster| cluster["ties"].to_string().contains("subject")));
}
