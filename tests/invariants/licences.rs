//! Licences and sources of all dependencies, by the list in deny.toml.

use agespan_tests::repository;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::workspace::metadata;

fn allowed() -> Vec<String> {
    let deny = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    let deny: toml::Table = deny.parse().unwrap();
    let list = deny["licenses"]["allow"].as_array().unwrap();
    list.iter().map(|licence| licence.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let allowed = allowed();
    for package in metadata().packages {
        let licence = package.license.as_deref().unwrap_or_default();
        let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap_or_else(|error| {
            panic!("{} has the licence {licence:?}: {error}", package.name)
        });
        let permits = |asked: &LicenseReq| {
            asked.license.id().is_some_and(|id| allowed.iter().any(|name| name == id.name))
        };
        assert!(
            expression.evaluate(|asked| permits(asked)),
            "{} is licensed under {licence}, which deny.toml does not allow",
            package.name
        );
    }
}

#[test]
fn every_dependency_comes_from_the_registry_and_none_from_a_branch() {
    for package in metadata().packages {
        let local = package.source.is_none() && package.name.starts_with("agespan");
        let from_registry = package.source.as_ref().is_some_and(|source| {
            // A mirror of crates.io that stands in for it has an address of its own.
            source.repr.starts_with("registry+") || source.repr.starts_with("sparse+")
        });
        assert!(local || from_registry, "{} comes from {:?}", package.name, package.source);
    }
}
