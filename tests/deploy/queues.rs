//! What KEDA scales by, and what workers take their jobs from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use agespan_jobs::{Jobs, JobsConfig, PrivateRedis};
use agespan_tests::repository;
use serde_json::Value;

use crate::manifests::{Manifests, SCALED, items};
use crate::tools::printed;

/// The kinds of job that a service's sources declare.
fn kinds(service: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    declared(&repository().join("services").join(service).join("src"), &mut found);
    assert!(!found.is_empty(), "{service} declares no kind of job: this looks for the wrong words");
    found
}

fn declared(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declared(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let kind = |line: &str| {
                let (name, value) = line.split_once(": &str = \"")?;
                name.ends_with("KIND").then(|| value.trim_end_matches("\";").to_owned())
            };
            found.extend(text.lines().filter_map(kind));
        }
    }
}

/// Stream and group of a kind, as a real Redis has them once a job was submitted.
async fn queue_of(kind: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(&folder.path().join("redis")).await.unwrap();
    let jobs = Jobs::new(JobsConfig::new(redis.url())).unwrap();
    jobs.submit(kind, b"{}", None).await.unwrap();
    let ask = |words: &[&str]| {
        let mut command = Command::new("redis-cli");
        let socket = redis.url().strip_prefix("redis+unix://").unwrap().to_owned();
        command.args(["-s", &socket]).args(words);
        printed(command, "")
    };
    let stream = ask(&["--scan", "--pattern", "*queue*"]).trim().to_owned();
    let groups = ask(&["XINFO", "GROUPS", &stream]);
    let group = groups.lines().nth(1).unwrap().to_owned();
    (stream, group)
}

/// The streams that a ScaledObject watches with this measure.
fn watched<'a>(object: &'a Value, measure: &str) -> Vec<&'a Value> {
    let metadata = items(&object["spec"]["triggers"]).map(|trigger| &trigger["metadata"]);
    metadata.filter(|metadata| !metadata[measure].is_null()).collect()
}

#[tokio::test]
async fn workers_are_scaled_by_the_queues_that_they_take_from() {
    let (example, group) = queue_of("draw-faces").await;
    let prefix = example.strip_suffix("draw-faces").unwrap();
    for overlay in SCALED {
        let manifests = Manifests::of(overlay);
        for service in ["age-estimator", "diffusion-generator"] {
            let object = manifests.named("ScaledObject", &format!("{service}-worker"));
            for measure in ["lagCount", "pendingEntriesCount"] {
                let watched = watched(object, measure);
                let streams = watched.iter().map(|metadata| metadata["stream"].as_str().unwrap());
                let kinds: BTreeSet<_> = streams
                    .map(|stream| stream.strip_prefix(prefix).unwrap_or(stream).to_owned())
                    .collect();
                assert_eq!(kinds, self::kinds(service), "{overlay} {service} {measure}");
                let groups = watched.iter().map(|metadata| &metadata["consumerGroup"]);
                assert!(groups.clone().all(|name| *name == group.as_str()), "{service} {measure}");
            }
        }
    }
}

#[test]
fn generators_go_down_to_none_and_nothing_else_sets_their_number() {
    for overlay in SCALED {
        let manifests = Manifests::of(overlay);
        for object in manifests.kind("ScaledObject") {
            let target = object["spec"]["scaleTargetRef"]["name"].as_str().unwrap();
            let deployment = manifests.named("Deployment", target);
            assert!(deployment["spec"]["replicas"].is_null(), "{overlay} {target}");
            let least = &object["spec"]["minReplicaCount"];
            assert_eq!(*least == 0, target.ends_with("-worker"), "{overlay} {target}: {least}");
        }
        let scaled = manifests.kind("HorizontalPodAutoscaler");
        let scaled = scaled.filter(|scaler| {
            let target = &scaler["spec"]["scaleTargetRef"]["name"];
            let same = |object: &Value| object["spec"]["scaleTargetRef"]["name"] == *target;
            manifests.kind("ScaledObject").any(same)
        });
        assert_eq!(scaled.count(), 0, "{overlay}: two autoscalers pull at one Deployment");
    }
}

#[test]
fn gpus_are_asked_for_by_those_who_use_them() {
    let manifests = Manifests::of("gpu");
    for pod in manifests.processes() {
        let asked = &pod.container()["resources"]["limits"]["nvidia.com/gpu"];
        assert_eq!(asked == "1", pod.name == "diffusion-generator-worker", "{}", pod.name);
        assert_eq!(asked.is_null(), pod.spec["tolerations"].is_null(), "{}", pod.name);
        assert_eq!(asked.is_null(), pod.spec["nodeSelector"].is_null(), "{}", pod.name);
    }
}
