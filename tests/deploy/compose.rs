//! The file for one machine.

use std::fs;

use agespan_tests::repository;
use serde_json::Value;

use crate::settings::known_variables;
use crate::tools::{command, parsed, printed};

/// Names that `object_store` and OpenTelemetry give their settings.
const OTHERS: [&str; 5] =
    ["AWS_ENDPOINT", "AWS_ALLOW_HTTP", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

fn services() -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(repository().join("deploy/compose.yaml")).unwrap();
    let [file] = parsed(&text).try_into().unwrap();
    file["services"].as_object().unwrap().clone()
}

fn is_ours(service: &Value) -> bool {
    service["image"].as_str().is_some_and(|image| image.starts_with("agespan:"))
}

#[test]
fn the_file_is_what_compose_expects() {
    let schema = ["--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"];
    printed(command("check-jsonschema", &schema), "");
}

#[test]
fn its_variables_and_addresses_are_known() {
    let (services, known) = (services(), known_variables());
    let ours: Vec<_> = services.iter().filter(|(_, service)| is_ours(service)).collect();
    assert_eq!(ours.len(), 7, "five servers and two workers");
    for (name, service) in ours {
        for (variable, value) in service["environment"].as_object().unwrap() {
            let other = OTHERS.contains(&variable.as_str());
            assert!(known.contains(variable) || other, "{name} sets {variable}");
            if variable.ends_with("_URL") && variable != "AGESPAN_REDIS_URL" {
                let url = value.as_str().unwrap();
                let host = url.strip_prefix("http://").and_then(|it| it.strip_suffix(":50051"));
                assert!(services.contains_key(host.unwrap()), "{variable} is {url}");
            }
        }
        assert_eq!(service["read_only"], true, "{name}");
    }
}

#[test]
fn it_publishes_on_loopback_alone() {
    for (name, service) in services() {
        for port in crate::manifests::items(&service["ports"]) {
            let port = port.as_str().unwrap();
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
    }
}
