//! The programs that `make setup` installs for this.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use agespan_tests::{repository, setting};
use serde_json::Value;

/// Where a tool is; `None` where it could not be installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let folder = setting("AGESPAN_TEST_TOOLS").expect("no AGESPAN_TEST_TOOLS: run `make setup`");
    Some(PathBuf::from(folder).join(name)).filter(|tool| tool.exists())
}

/// Where a tool is that every machine can have.
pub(crate) fn tool(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is not there: run `make setup`"))
}

/// A command that begins in the repository.
pub(crate) fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(tool(name));
    command.args(arguments).current_dir(repository());
    command
}

/// Runs a command to its end with something to read.
pub(crate) fn run(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    // On a thread of its own, since the tool may write before it has read everything. One that does
    // not read is its own business.
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// What a tool prints that has nothing to complain about.
pub(crate) fn printed(command: Command, input: &str) -> String {
    let name = format!("{command:?}");
    let Output { status, stdout, stderr } = run(command, input);
    let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(status.success(), "{name}: {status}\n{out}\n{err}");
    out
}

/// YAML documents as JSON.
pub(crate) fn parsed(yaml: &str) -> Vec<Value> {
    let json = printed(command("python", &["tests/deploy/to_json.py"]), yaml);
    serde_json::from_str(&json).unwrap()
}
