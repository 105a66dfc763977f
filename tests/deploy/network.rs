//! Who may call whom, and who does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use agespan_tests::repository;
use serde_json::Value;

use crate::manifests::{Manifests, OVERLAYS, Pod, items};

/// The calls between the processes, and what for. Whatever is not here is refused.
const CALLS: [(&str, &str, &str); 10] = [
    ("age-estimator", "conformal-calibrator", "calibrations come on a stream that it opens"),
    ("age-estimator-worker", "conformal-calibrator", "the same: a worker answers as well"),
    ("age-estimator-worker", "dataset", "faces to train on"),
    ("conformal-calibrator", "age-estimator", "what the model says of the faces it calibrates on"),
    ("conformal-calibrator", "dataset", "those faces"),
    ("diffusion-generator-worker", "dataset", "faces to fine-tune on"),
    ("evaluator", "age-estimator", "estimates to be measured"),
    ("evaluator", "conformal-calibrator", "the calibration that they were made with"),
    ("evaluator", "dataset", "faces with their true ages"),
    ("evaluator", "diffusion-generator", "drawn faces"),
];

/// What backend services of other namespaces may call: everything that answers requests.
const FOR_CLIENTS: [&str; 5] =
    ["age-estimator", "conformal-calibrator", "dataset", "diffusion-generator", "evaluator"];

/// The end of a call, as policies see it.
enum Peer<'a> {
    Pod(&'a Pod),
    /// A pod of a namespace with this label.
    Elsewhere(&'a str, &'a str),
}

/// Whether a policy selects a pod. Every policy here selects by `matchLabels` alone.
fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    assert!(selector["matchExpressions"].is_null(), "this test does not know {selector}");
    let asked = selector["matchLabels"].as_object();
    let has = |(name, value): (&String, &Value)| labels.get(name).is_some_and(|it| value == it);
    asked.is_none_or(|asked| asked.iter().all(has))
}

fn admits(side: &Value, peer: &Peer) -> bool {
    let namespace = &side["namespaceSelector"];
    match peer {
        Peer::Pod(pod) => namespace.is_null() && selects(&side["podSelector"], &pod.labels),
        Peer::Elsewhere(label, value) => namespace["matchLabels"][label] == *value,
    }
}

/// Whether the policies let a pod speak with a peer in a direction: "Ingress" or "Egress".
fn allowed(manifests: &Manifests, pod: &Pod, direction: &str, peer: &Peer, port: u64) -> bool {
    let about = |policy: &&Value| {
        let applies = items(&policy["spec"]["policyTypes"]).any(|kind| kind == direction);
        applies && selects(&policy["spec"]["podSelector"], &pod.labels)
    };
    let (rules, side) = match direction {
        "Ingress" => ("ingress", "from"),
        _ => ("egress", "to"),
    };
    let policies: Vec<_> = manifests.kind("NetworkPolicy").filter(about).collect();
    assert!(!policies.is_empty(), "nothing is refused to {} by default", pod.name);
    let mut rules = policies.iter().flat_map(|policy| items(&policy["spec"][rules]));
    rules.any(|rule| {
        items(&rule["ports"]).any(|it| it["port"] == port)
            && items(&rule[side]).any(|side| side["ipBlock"].is_null() && admits(side, peer))
    })
}

fn may_call(manifests: &Manifests, caller: &Pod, callee: &Pod, port: u64) -> bool {
    allowed(manifests, caller, "Egress", &Peer::Pod(callee), port)
        && allowed(manifests, callee, "Ingress", &Peer::Pod(caller), port)
}

#[test]
fn exactly_the_calls_of_the_design_are_let_through() {
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        let pods = manifests.processes();
        let mut open = BTreeSet::new();
        for (caller, callee) in pods.iter().flat_map(|pod| pods.iter().map(move |to| (pod, to))) {
            if may_call(&manifests, caller, callee, 50051) {
                open.insert((caller.name.as_str(), callee.name.as_str()));
            }
        }
        let wanted: BTreeSet<_> = CALLS.iter().map(|(from, to, _)| (*from, *to)).collect();
        assert_eq!(open, wanted, "{overlay}");
    }
}

#[test]
fn others_come_in_by_their_label_and_to_servers_alone() {
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        for pod in manifests.processes() {
            let enters = |peer: Peer| allowed(&manifests, &pod, "Ingress", &peer, 50051);
            let client = enters(Peer::Elsewhere("agespan-client", "true"));
            assert_eq!(client, FOR_CLIENTS.contains(&pod.name.as_str()), "{overlay} {}", pod.name);
            assert!(!enters(Peer::Elsewhere("agespan-client", "false")), "{overlay} {}", pod.name);
        }
    }
}

#[test]
fn every_process_reaches_redis_and_the_collector_and_so_does_keda() {
    let manifests = Manifests::of("local");
    let pods = manifests.pods();
    let named = |name: &str| pods.iter().find(|pod| pod.name == name).unwrap();
    let (redis, collector) = (named("redis"), named("otel-collector"));
    for pod in manifests.processes() {
        assert!(may_call(&manifests, &pod, redis, 6379), "{}", pod.name);
        assert!(may_call(&manifests, &pod, collector, 4317), "{}", pod.name);
        assert!(!may_call(&manifests, redis, &pod, 50051), "{}", pod.name);
    }
    let keda = Peer::Elsewhere("kubernetes.io/metadata.name", "keda");
    assert!(allowed(&manifests, redis, "Ingress", &keda, 6379));
}

/// The peers whose addresses a service's sources take from the platform. Workers and servers are
/// one source, and a service may name its own address.
#[test]
fn the_calls_are_those_that_the_code_makes() {
    let by_name = [
        ("dataset", "dataset"),
        ("estimator", "age-estimator"),
        ("calibrator", "conformal-calibrator"),
        ("generator", "diffusion-generator"),
    ];
    for service in FOR_CLIENTS {
        let text = sources(&repository().join("services").join(service).join("src"));
        let uses = |name: &str| text.contains(&format!("platform.{name}"));
        let named = by_name.iter().filter(|(name, _)| uses(name)).map(|(_, callee)| *callee);
        let calls =
            CALLS.iter().filter(|(caller, ..)| caller.trim_end_matches("-worker") == service);
        let calls: BTreeSet<_> = calls.map(|(_, callee, _)| *callee).collect();
        assert_eq!(named.collect::<BTreeSet<_>>(), calls, "{service}");
    }
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}
