//! What `proto/README.md` tells callers to type, as it stands there.

use std::fs;
use std::path::Path;

use agespan_tests::{Sandbox, faces, repository};
use serde_json::Value;
use tokio::process::Command;

use crate::probes::tool;

const PAGE: &str = "proto/README.md";
/// Where the page finds the server.
const USUAL: &str = "127.0.0.1:50051";

/// The blocks of the page in a language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(repository().join(PAGE)).unwrap();
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Runs lines of a shell in a folder that looks like the repository; what they print.
async fn run(lines: &str, folder: &Path) -> String {
    let tools = tool("python").parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), agespan_tests::setting("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", lines])
        .current_dir(folder)
        .env("PATH", path)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{lines}\n{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A folder in which the page's paths are found and files may be written.
fn folder(sandbox: &Sandbox) -> std::path::PathBuf {
    let folder = sandbox.path("repository");
    fs::create_dir(&folder).unwrap();
    for name in ["proto", "deploy"] {
        std::os::unix::fs::symlink(repository().join(name), folder.join(name)).unwrap();
    }
    folder
}

#[tokio::test]
async fn what_callers_are_told_to_type_works() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let host = server.url.strip_prefix("http://").unwrap();
    let folder = folder(&sandbox);
    let blocks = blocks("sh");
    assert!(blocks.len() >= 6, "{blocks:?}");
    let mut said = String::new();
    for block in &blocks {
        assert!(block.contains(USUAL) || block.contains("python"), "{block}");
        // The tools were installed by the set-up.
        let lines: Vec<_> = block.lines().filter(|line| !line.contains("pip install")).collect();
        said.push_str(&run(&lines.join("\n").replace(USUAL, host), &folder).await);
    }
    for expected in ["EstimatorService", "lower", "AGE_DECISION_PASS", "landmarks"] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
}

#[tokio::test]
async fn the_python_of_the_page_gets_an_interval() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let folder = folder(&sandbox);
    let make = blocks("sh").into_iter().find(|block| block.contains("grpc_tools")).unwrap();
    let make: Vec<_> = make.lines().filter(|line| !line.contains("pip install")).collect();
    run(&make.join("\n"), &folder).await;
    fs::write(folder.join("client.py"), &blocks("python")[0]).unwrap();
    let (host, photo) = (server.url.strip_prefix("http://").unwrap(), faces::portrait());
    let said = run(&format!("python client.py {host} '{}'", photo.display()), &folder).await;
    let answer: Value = serde_json::from_str(&said).unwrap();
    let interval = &answer["faces"][0]["interval"];
    assert!(interval["lower"].as_f64() < interval["upper"].as_f64(), "{answer}");
}
