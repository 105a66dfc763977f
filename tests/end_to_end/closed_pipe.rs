//! Whoever reads the command line may have seen enough, as `head` has.

use std::process::Stdio;

use agespan_tests::{Sandbox, faces, program};
use tokio::process::Command;

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let portrait = faces::portrait();
    let portrait = portrait.to_str().unwrap();
    let lists = ["model", "list", "--server", &server.url];
    // In this process, and in the one that it is replaced by.
    for arguments in [&lists[..], &["predict", portrait]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(program("agespan"));
        command.args(arguments).current_dir(sandbox.path("")).stdout(Stdio::from(writer));
        let said = command.stderr(Stdio::piped()).output().await.unwrap();
        assert_eq!(String::from_utf8(said.stderr).unwrap(), "", "{arguments:?}");
        assert!(said.status.success(), "{arguments:?}: {}", said.status);
    }
}
