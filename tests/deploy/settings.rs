//! Variables, ports, probes, and how a pod ends.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use agespan_client::proto;
use agespan_tests::{program, repository};
use tempfile::TempDir;

use crate::manifests::{Manifests, OVERLAYS, Pod, items};
use crate::tools::{parsed, printed, run};

/// The services by the name that `--services` knows, with the name in health.
const SERVICES: [(&str, &str); 5] = [
    ("dataset", proto::dataset::v1::dataset_service_server::SERVICE_NAME),
    ("age-estimator", proto::estimator::v1::estimator_service_server::SERVICE_NAME),
    ("conformal-calibrator", proto::calibrator::v1::calibrator_service_server::SERVICE_NAME),
    ("diffusion-generator", proto::generator::v1::generator_service_server::SERVICE_NAME),
    ("evaluator", proto::evaluator::v1::evaluator_service_server::SERVICE_NAME),
];

/// Variables that are not clap's, and who reads them.
const OTHERS: [(&str, &str); 2] = [
    ("POD_NAME", "the manifest itself, for the next one"),
    ("OTEL_RESOURCE_ATTRIBUTES", "OpenTelemetry's SDK"),
];

/// What a process needs beside its two drains: Redis is told, telemetry sends its rest.
const SPARE_SECONDS: u64 = 10;

/// The variables that `agespan up --help` names.
pub(crate) fn known_variables() -> BTreeSet<String> {
    let mut help = Command::new(program("agespan"));
    help.args(["up", "--help"]);
    let help = String::from_utf8(run(help, "").stdout).unwrap();
    let names = help.split("[env: ").skip(1).map(|rest| rest.split(['=', ']']).next().unwrap());
    let names: BTreeSet<_> = names.map(str::to_owned).collect();
    assert!(names.len() > 10, "the help looks different: {help}");
    names
}

#[test]
fn every_variable_is_one_that_the_program_reads() {
    let known = known_variables();
    for overlay in OVERLAYS {
        for pod in Manifests::of(overlay).processes() {
            for name in pod.variables.keys() {
                let other = OTHERS.iter().any(|(other, _)| name == other);
                assert!(known.contains(name) || other, "{overlay}: {} sets {name}", pod.name);
            }
        }
    }
}

/// Starts each pod's command with its own variables, on an address that no machine has. All it may
/// say is that it cannot listen there: every value was understood, the files are where they should
/// be, and listening where others can reach it was not refused.
#[test]
fn every_value_is_one_that_the_program_takes() {
    let mounted = Mounted::new();
    for overlay in OVERLAYS {
        for pod in Manifests::of(overlay).processes() {
            let mut command = Command::new(program("agespan"));
            command.args(items(&pod.container()["args"]).map(|word| word.as_str().unwrap()));
            let given = pod.variables.iter().filter(|(name, _)| name.starts_with("AGESPAN_"));
            for (name, value) in given.filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                command.env(name, mounted.here(&pod, value));
            }
            command.env("AGESPAN_LISTEN", "192.0.2.1:50051");
            command.env("AGESPAN_REDIS_URL", "redis://127.0.0.1:1");
            command.env("AGESPAN_DATA_DIR", mounted.0.path());
            command.env("AGESPAN_STORE", mounted.0.path().join("store"));
            let said = String::from_utf8(run(command, "").stderr).unwrap();
            let last = said.lines().last().unwrap_or_default();
            assert!(last.contains("cannot listen on 192.0.2.1"), "{overlay}: {}: {said}", pod.name);
        }
    }
}

/// Where Secrets are mounted in a pod.
const SECRETS: &str = "/etc/agespan/";

/// The files of those Secrets, on this machine, made as the README says.
struct Mounted(TempDir);

impl Mounted {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["callers", "service-token", "tls"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut made = Command::new(program("agespan"));
        made.args(["token", "new", "services", "--permissions", "predict,jobs", "--append"]);
        let token = printed(
            {
                made.arg(folder.path().join("callers/tokens.toml"));
                made
            },
            "",
        );
        fs::write(folder.path().join("service-token/token"), token).unwrap();
        let names = ["localhost".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        for (name, pem) in [
            ("tls/tls.crt", certified.cert.pem()),
            ("tls/ca.crt", certified.cert.pem()),
            ("tls/tls.key", certified.signing_key.serialize_pem()),
        ] {
            fs::write(folder.path().join(name), pem).unwrap();
        }
        Self(folder)
    }

    /// A value with a pod's path made one of this machine. The Secret has to be mounted there.
    fn here(&self, pod: &Pod, value: &str) -> String {
        let Some(file) = value.strip_prefix(SECRETS) else { return value.to_owned() };
        let mut places = items(&pod.container()["volumeMounts"]).map(|mount| &mount["mountPath"]);
        let folder = value.rsplit_once('/').unwrap().0;
        assert!(places.any(|place| *place == folder), "{} does not mount {folder}", pod.name);
        self.0.path().join(file).display().to_string()
    }
}

#[test]
fn every_service_runs_and_health_knows_what_probes_ask_for() {
    for overlay in OVERLAYS {
        let pods = Manifests::of(overlay).processes();
        for (service, health) in SERVICES {
            let of_it: Vec<_> =
                pods.iter().filter(|pod| pod.variable("AGESPAN_SERVICES") == service).collect();
            assert!(!of_it.is_empty(), "{overlay}: nobody runs {service}");
            for pod in of_it {
                check_probes(pod, health);
            }
        }
    }
}

fn check_probes(pod: &Pod, health: &str) {
    let container = pod.container();
    let liveness = &container["livenessProbe"];
    let number = |name: &str| liveness[name].as_u64().unwrap();
    let patience = number("periodSeconds") * number("failureThreshold");
    assert!(patience >= 60, "{}: {patience} s of load are no reason to be killed", pod.name);
    // Kubernetes' gRPC probes cannot do TLS.
    let tls = pod.variables.contains_key("AGESPAN_TLS_CERT");
    let asked = if tls { "AGESPAN_HEALTH_LISTEN" } else { "AGESPAN_LISTEN" };
    for (probe, service) in [
        ("startupProbe", health),
        ("readinessProbe", health),
        // The whole process: no model, no queue and no alarm decides whether it lives.
        ("livenessProbe", ""),
    ] {
        assert_eq!(container[probe]["grpc"]["service"], service, "{} {probe}", pod.name);
        assert_eq!(container[probe]["grpc"]["port"], port(pod, asked), "{} {probe}", pod.name);
    }
}

fn port(pod: &Pod, variable: &str) -> u64 {
    pod.variable(variable).rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn ports_and_addresses_lead_to_each_other() {
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        for pod in manifests.processes() {
            let opened = items(&pod.container()["ports"]);
            let opened: BTreeSet<_> =
                opened.filter_map(|it| it["containerPort"].as_u64()).collect();
            let listens = ["AGESPAN_LISTEN", "AGESPAN_HEALTH_LISTEN"].into_iter();
            let listens = listens.filter(|name| pod.variables.contains_key(*name));
            assert_eq!(opened, listens.map(|name| port(&pod, name)).collect(), "{}", pod.name);
            for (name, url) in pod.variables.iter().filter(|(name, _)| name.ends_with("_URL")) {
                let Some(url) = url else { continue };
                let (host, number) = url.split_once("://").unwrap().1.rsplit_once(':').unwrap();
                let service = manifests.named("Service", host);
                assert_eq!(service["spec"]["clusterIP"], "None", "{name}: clients share out");
                assert_eq!(service["spec"]["ports"][0]["port"].to_string(), number, "{name}");
            }
        }
    }
}

#[test]
fn a_pod_has_time_to_give_its_job_back() {
    for overlay in OVERLAYS {
        for pod in Manifests::of(overlay).processes() {
            let drain: u64 = pod.variable("AGESPAN_DRAIN_SECONDS").parse().unwrap();
            let announced = pod.container()["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
            // Requests drain first, then what runs beside them: jobs, which checkpoint.
            let needed = announced.unwrap() + 2 * drain + SPARE_SECONDS;
            let grace = pod.spec["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(grace >= needed, "{overlay}: {} has {grace} s of {needed}", pod.name);
        }
    }
}

#[test]
fn every_knob_turns_something_and_no_other_is_asked_for() {
    let folder = repository().join("deploy/kubernetes");
    let read = |file: &str| parsed(&fs::read_to_string(folder.join(file)).unwrap());
    let [replacements] = read("components/apply-knobs/replacements.yaml").try_into().unwrap();
    let used = items(&replacements).map(|one| one["source"]["fieldPath"].as_str().unwrap());
    let used: BTreeSet<_> = used.map(|path| path.strip_prefix("data.").unwrap()).collect();
    let [knobs] = read("base/knobs.yaml").try_into().unwrap();
    let declared: BTreeSet<_> = knobs["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, declared.iter().map(String::as_str).collect());
    for overlay in OVERLAYS {
        let knobs = Manifests::of(overlay).named("ConfigMap", "knobs")["data"].clone();
        let knobs: BTreeSet<_> = knobs.as_object().unwrap().keys().cloned().collect();
        assert_eq!(knobs, declared, "{overlay} turns a knob that is none");
    }
}

#[test]
fn no_secret_is_in_the_manifests_and_the_readme_says_how_to_make_each() {
    let readme = fs::read_to_string(repository().join("deploy/README.md")).unwrap();
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        assert_eq!(manifests.kind("Secret").count(), 0, "{overlay}");
        assert!(manifests.processes().iter().all(names_files_only), "{overlay}");
        for pod in manifests.pods() {
            for name in secrets(&pod) {
                let made = format!("create secret generic {name} ");
                assert!(readme.contains(&made), "{overlay}: {} needs {name}", pod.name);
            }
        }
    }
}

fn secrets(pod: &Pod) -> BTreeSet<String> {
    let container = pod.container();
    let whole = items(&container["envFrom"]).map(|source| &source["secretRef"]["name"]);
    let keys = items(&container["env"]).map(|it| &it["valueFrom"]["secretKeyRef"]["name"]);
    let files = items(&pod.spec["volumes"]).map(|volume| &volume["secret"]["secretName"]);
    let all = whole.chain(keys).chain(files);
    all.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Whether every setting that sounds like a secret is a path.
fn names_files_only(pod: &Pod) -> bool {
    let secret = |name: &str| ["TOKEN", "KEY", "CERT"].iter().any(|word| name.contains(word));
    let mut settings = pod.variables.iter().filter(|(name, _)| secret(name));
    settings.all(|(_, value)| value.as_ref().is_some_and(|value| value.starts_with(SECRETS)))
}
