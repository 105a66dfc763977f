//! What the built programs must keep to.

use std::process::Command;

use agespan_tests::program;

/// What the loader would load for a program.
fn libraries(name: &str) -> String {
    let listed = Command::new("ldd").arg(program(name)).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8(listed.stdout).unwrap()
}

#[test]
fn the_command_line_starts_without_libtorch() {
    assert!(!libraries("agespan").contains("torch"), "{}", libraries("agespan"));
    // Or the test looks for the wrong word.
    assert!(libraries("agespan-system").contains("torch"), "{}", libraries("agespan-system"));
}
