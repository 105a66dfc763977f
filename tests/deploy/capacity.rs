//! The page about capacity, held to what its simulation prints, and the simulation's figures to where
//! they are from.

use std::fs;
use std::process::Command;

use agespan_tests::repository;
use serde_json::Value;

use crate::tools::{parsed, printed, run};

const FOLDER: &str = "deploy/capacity";
const KNOBS: &str = "deploy/kubernetes/base/knobs.yaml";

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    // No bytecode among the sources.
    command.arg("-B").args(arguments).current_dir(repository().join(FOLDER));
    command
}

fn text(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The figures of a section of measured.json by name.
fn section(name: &str) -> Vec<(String, Value)> {
    let figures: Value = serde_json::from_str(&text(&format!("{FOLDER}/measured.json"))).unwrap();
    let section = figures[name].as_object().unwrap().clone();
    assert!(!section.is_empty(), "{name}");
    section.into_iter().collect()
}

fn word<'a>(figure: &'a Value, name: &str) -> &'a str {
    figure[name].as_str().unwrap_or_else(|| panic!("no {name:?}: {figure}"))
}

#[test]
fn the_simulation_is_what_theory_and_counting_say() {
    let output = run(python(&["-m", "unittest", "test_simulate"]), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\nOK"), "no test was run: {said}");
}

#[test]
fn the_page_shows_what_the_simulation_prints() {
    let page = text(&format!("{FOLDER}/README.md"));
    let tables = printed(python(&["simulate.py"]), "");
    assert!(tables.lines().count() > 50, "{tables}");
    assert!(
        page.contains(&format!("```\n{tables}```\n")),
        "{FOLDER}/README.md is stale: run `make capacity INTO=1`. The simulation prints\n{tables}"
    );
}

#[test]
fn what_is_configured_is_so_where_it_is_said_to_be() {
    let knobs = &parsed(&text(KNOBS))[0]["data"];
    let mut seen = 0;
    for (name, figure) in section("configured") {
        let (file, says) = (word(&figure, "from"), word(&figure, "says"));
        assert!(text(file).contains(says), "{name}: {file} does not say {says:?}");
        if file == KNOBS {
            let knob = says.split(':').next().unwrap();
            assert_eq!(knobs[knob], figure["value"].to_string(), "{name}: {knob}");
            seen += 1;
        }
    }
    assert!(seen > 5, "only {seen} knobs are simulated");
}

#[test]
fn what_is_measured_says_how_and_is_what_was_written_of_it() {
    for (name, figure) in section("measured") {
        for part in ["what", "from", "machine"] {
            assert!(!word(&figure, part).is_empty(), "{name}: {part}");
        }
        if let Some(file) = figure["written_in"].as_str() {
            let says = figure["says"].as_str().map_or(figure["value"].to_string(), str::to_owned);
            let is_there = text(file).contains(&says);
            assert!(is_there, "{name}: {file} has no {says}; put what it has into measured.json");
        }
    }
    for (name, figure) in section("assumed") {
        assert!(!word(&figure, "why").is_empty(), "{name}");
    }
}
