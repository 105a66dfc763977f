//! Schemas and linters.

use std::fs;

use serde_json::Value;

use crate::manifests::{Manifests, OVERLAYS, items, rendered};
use crate::tools::{command, printed, run};

/// The oldest that has all that is used, which the README names, and the newest that has a schema here.
const VERSIONS: [&str; 2] = ["1.33", "1.37"];

/// What trivy may find, and why it is right as it is.
const EXCEPTIONS: [(&str, &str); 2] = [
    (
        "AVD-KSV-01010",
        "takes the names idle-seconds, AGESPAN_QUEUE and AGESPAN_TLS_KEY for those of secrets; the last \
         is a path",
    ),
    ("AVD-KSV-0109", "the same of AGESPAN_TOKENS and AGESPAN_TOKEN_FILE, which are paths"),
];

/// Checks of Dockerfiles that hadolint leaves out, and why.
const RULES: [(&str, &str); 1] = [(
    "DL3008",
    "Debian removes a package's version when it mends it; a pinned one cannot be built next month",
)];

#[test]
fn every_overlay_is_what_kubernetes_expects() {
    for (overlay, version) in OVERLAYS.into_iter().flat_map(|it| VERSIONS.map(|of| (it, of))) {
        let strict = ["--strict", "--kubernetes-version", version, "-"];
        let said = printed(command("kubernetes-validate", &strict), &rendered(overlay));
        // What has no schema there is KEDA's and checked below.
        for line in said.lines().filter(|line| !line.starts_with("INFO")) {
            assert!(line.contains("keda.sh/v1alpha1"), "{overlay}: {line}");
        }
    }
}

#[test]
fn what_keda_reads_is_what_keda_expects() {
    for (overlay, count) in [("cpu", 3), ("gpu", 4), ("tls", 3)] {
        let resources = keda(&Manifests::of(overlay));
        assert_eq!(resources.len(), count, "{overlay}");
        assert_eq!(keda_faults(&resources), "", "{overlay}");
    }
    // Or the schema takes anything.
    let mut resources = keda(&Manifests::of("cpu"));
    resources[0]["spec"]["misspelt"] = Value::Bool(true);
    assert!(keda_faults(&resources).contains("misspelt"));
}

fn keda(manifests: &Manifests) -> Vec<Value> {
    let kinds = ["ScaledObject", "TriggerAuthentication"].into_iter();
    kinds.flat_map(|kind| manifests.kind(kind).cloned()).collect()
}

fn keda_faults(resources: &[Value]) -> String {
    let input = serde_json::to_string(resources).unwrap();
    printed(command("python", &["tests/deploy/keda.py"]), &input)
}

#[test]
fn dockerfiles_are_in_good_order() {
    let mut arguments = vec!["--strict-labels", "--failure-threshold", "style"];
    for (rule, _) in RULES {
        arguments.extend(["--ignore", rule]);
    }
    arguments.extend(["deploy/Dockerfile", "deploy/Dockerfile.cuda"]);
    printed(command("hadolint", &arguments), "");
}

#[test]
fn nothing_is_allowed_that_need_not_be() {
    let folder = tempfile::tempdir().unwrap();
    for overlay in OVERLAYS {
        fs::write(folder.path().join(format!("{overlay}.yaml")), rendered(overlay)).unwrap();
    }
    for name in ["Dockerfile", "Dockerfile.cuda"] {
        let file = agespan_tests::repository().join("deploy").join(name);
        fs::copy(file, folder.path().join(name)).unwrap();
    }
    // Its own checks: it would fetch newer ones from the internet.
    let mut trivy = command("trivy", &["config", "--skip-check-update", "--quiet"]);
    trivy.args(["--format", "json", "--cache-dir"]).arg(folder.path().join("cache"));
    let report = printed(
        {
            trivy.arg(folder.path());
            trivy
        },
        "",
    );
    let report: Value = serde_json::from_str(&report).unwrap();
    let results = report["Results"].as_array().unwrap();
    assert!(results.len() >= OVERLAYS.len(), "trivy has not seen the overlays: {report}");
    for result in results {
        for found in items(&result["Misconfigurations"]) {
            let known =
                EXCEPTIONS.iter().any(|(id, _)| found["ID"] == *id || found["AVDID"] == *id);
            assert!(known, "{}: {} {}", result["Target"], found["ID"], found["Message"]);
        }
    }
}

#[test]
fn a_faulty_manifest_is_noticed() {
    let broken = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n";
    let said = run(command("kubernetes-validate", &["--strict", "-"]), broken);
    assert!(!said.status.success(), "{said:?}");
}
