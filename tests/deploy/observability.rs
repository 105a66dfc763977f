//! Alerts, dashboard and collector, and the metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use agespan_tests::repository;
use serde_json::Value;

use crate::manifests::items;
use crate::tools::{find, parsed, printed};

/// What Prometheus makes itself.
const OF_PROMETHEUS: [&str; 1] = ["up"];

/// What the collector's exporter puts behind a name: the unit, and the parts of counters and
/// histograms.
const ENDINGS: [&str; 8] = [
    "",
    "_total",
    "_sum",
    "_count",
    "_bucket",
    "_seconds_sum",
    "_seconds_count",
    "_seconds_bucket",
];

fn file(name: &str) -> String {
    fs::read_to_string(repository().join("deploy/observability").join(name)).unwrap()
}

/// The names in the sources of those crates that have a meter, as Prometheus writes them: all
/// dotted words in quotes that begin like a metric.
fn metrics() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["shared", "services"] {
        collect(&repository().join(folder), &mut names);
    }
    assert!(names.len() >= 5, "only {names:?}: this looks for the wrong words");
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            if text.contains("meter(\"") {
                let quoted = text.split('"').skip(1).step_by(2);
                let dotted = quoted.filter(|word| is_metric(word));
                names.extend(dotted.map(|word| word.replace('.', "_")));
            }
        }
    }
}

fn is_metric(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_');
    let begins = ["agespan.", "rpc."].iter().any(|family| word.starts_with(family));
    begins && word.matches('.').count() >= 2 && word.bytes().all(plain)
}

/// The metrics that a query names.
fn named(query: &str) -> BTreeSet<String> {
    // What stands in braces are labels and their values.
    let mut outside = String::new();
    let mut depth = 0;
    for letter in query.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            letter if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    let words = outside.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let families = ["agespan_", "rpc_"];
    let metric = |word: &&str| {
        families.iter().any(|family| word.starts_with(family)) || OF_PROMETHEUS.contains(word)
    };
    words.filter(metric).map(str::to_owned).collect()
}

fn check(place: &str, query: &str) {
    let known = metrics();
    let names = named(query);
    assert!(!names.is_empty(), "{place} names no metric: {query}");
    for name in names {
        let mut stems = ENDINGS.iter().filter_map(|ending| name.strip_suffix(ending));
        let there = OF_PROMETHEUS.contains(&name.as_str()) || stems.any(|it| known.contains(it));
        assert!(there, "{place} asks for {name}, which nothing tells");
    }
}

fn alerts() -> Vec<Value> {
    let [file] = parsed(&file("alerts.yaml")).try_into().unwrap();
    items(&file["groups"]).flat_map(|group| items(&group["rules"])).cloned().collect()
}

#[test]
fn alerts_and_dashboards_ask_for_what_there_is() {
    for alert in alerts() {
        check(alert["alert"].as_str().unwrap(), alert["expr"].as_str().unwrap());
    }
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let panels = items(&dashboard["panels"]).filter(|panel| panel["type"] != "row");
    let mut seen = 0;
    for panel in panels {
        for target in items(&panel["targets"]) {
            check(panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap());
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} queries");
}

#[test]
fn estimators_are_scaled_by_a_metric_that_there_is() {
    let manifests = crate::manifests::Manifests::of("gpu");
    let object = manifests.named("ScaledObject", "age-estimator");
    let queries: Vec<_> = items(&object["spec"]["triggers"])
        .filter_map(|trigger| trigger["metadata"]["query"].as_str())
        .collect();
    assert_eq!(queries.len(), 1);
    check("queue-time", queries[0]);
}

#[test]
fn every_alert_is_in_the_runbook_and_is_tried() {
    let (runbook, tests) = (file("RUNBOOK.md"), file("alerts_test.yaml"));
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} is not in the runbook");
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} is not tried");
        let link = format!("RUNBOOK.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"], link.as_str());
    }
}

#[test]
fn prometheus_takes_the_rules_and_raises_the_alerts() {
    let Some(promtool) = find("promtool") else {
        eprintln!("skipped: promtool is not there; `make setup` takes it from Debian's package");
        return;
    };
    let folder = repository().join("deploy/observability");
    for (words, name) in [
        (["check", "rules"], "alerts.yaml"),
        (["check", "config"], "prometheus.yaml"),
        (["test", "rules"], "alerts_test.yaml"),
    ] {
        let mut command = Command::new(&promtool);
        command.args(words).arg(name).current_dir(&folder);
        printed(command, "");
    }
}

/// No program here reads the collector's file: names that do not lead anywhere are all that can be
/// found.
#[test]
fn the_collector_uses_what_it_declares() {
    let [collector] = parsed(&file("collector.yaml")).try_into().unwrap();
    for (pipeline, parts) in collector["service"]["pipelines"].as_object().unwrap() {
        for (kind, names) in parts.as_object().unwrap() {
            for name in items(names) {
                let declared = &collector[kind][name.as_str().unwrap()];
                assert!(!declared.is_null(), "{pipeline}: {kind} {name} is not declared");
            }
        }
    }
    for name in items(&collector["service"]["extensions"]) {
        assert!(!collector["extensions"][name.as_str().unwrap()].is_null(), "{name}");
    }
}
