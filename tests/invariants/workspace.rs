//! Who may depend on whom.

use std::collections::BTreeSet;

use agespan_tests::repository;
use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};

pub(crate) fn metadata() -> Metadata {
    let manifest = repository().join("Cargo.toml");
    // Packages of other platforms may not have been fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--offline", "--locked", "--filter-platform", &platform].map(str::to_owned);
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
}

/// The folder of a member below the root, such as "shared/models".
fn folder(metadata: &Metadata, package: &Package) -> String {
    let parent = package.manifest_path.parent().unwrap();
    parent.strip_prefix(&metadata.workspace_root).unwrap().to_string()
}

/// Everything that `id` is built with, tests aside.
fn reached(metadata: &Metadata, id: &PackageId) -> BTreeSet<String> {
    let graph = metadata.resolve.as_ref().unwrap();
    let (mut names, mut waiting) = (BTreeSet::new(), vec![id.clone()]);
    while let Some(id) = waiting.pop() {
        let node = graph.nodes.iter().find(|node| node.id == id).unwrap();
        for dependency in &node.deps {
            let normal = |kind: &cargo_metadata::DepKindInfo| {
                kind.kind != cargo_metadata::DependencyKind::Development
            };
            let package = &metadata[&dependency.pkg];
            if dependency.dep_kinds.iter().any(normal) && names.insert(package.name.to_string()) {
                waiting.push(dependency.pkg.clone());
            }
        }
    }
    names
}

#[test]
fn only_the_system_sees_the_services() {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let services: BTreeSet<_> = members
        .iter()
        .filter(|package| folder(&metadata, package).starts_with("services/"))
        .map(|package| package.name.to_string())
        .collect();
    assert_eq!(services.len(), 7);
    for package in members.iter().filter(|package| *package.name != "agespan-system") {
        let seen = reached(&metadata, &package.id);
        let others: Vec<_> = services.intersection(&seen).collect();
        assert!(others.is_empty(), "{} depends on {others:?}", package.name);
    }
}

#[test]
fn statistics_and_networks_know_no_transport() {
    let metadata = metadata();
    let forbidden: [(&str, &[&str]); 6] = [
        ("agespan-conformal", &["tch", "torch-sys", "tokio", "tonic", "redis", "prost"]),
        ("agespan-models", &["tokio", "tonic", "redis", "prost", "agespan-proto"]),
        ("agespan-image-metrics", &["tch", "torch-sys", "tokio", "tonic", "redis", "prost"]),
        ("agespan-imaging", &["tch", "tokio", "tonic", "redis", "prost"]),
        // It starts in no time because it need not load libtorch.
        ("agespan", &["tch", "torch-sys"]),
        ("agespan-jobs", &["tch", "tonic", "prost", "agespan-proto"]),
    ];
    for (name, others) in forbidden {
        let members = metadata.workspace_packages();
        let package = members.iter().find(|package| *package.name == name).unwrap();
        let seen = reached(&metadata, &package.id);
        for other in others {
            assert!(!seen.contains(*other), "{name} depends on {other}");
        }
    }
}

#[test]
fn every_member_takes_the_workspaces_lints() {
    for package in metadata().workspace_packages() {
        // Generated code keeps to nobody's lints.
        if *package.name == "agespan-proto" {
            continue;
        }
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{}", package.name);
    }
}
