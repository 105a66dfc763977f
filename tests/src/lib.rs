//! A sandbox for end-to-end tests: the real programs as processes, a real Redis, real sockets.
//!
//! * [`Sandbox`]: a folder and a Redis that outlive the processes started in it.
//! * [`Process`]: one program that serves; it can be stopped or killed.
//! * [`faces`]: pictures named as UTKFace names its files.
//! * [`look`]: whether a page is laid out as it should be, by a real browser.
//!
//! The programs are those that cargo built beside the test: `make test` builds them first.
//!
//! Beside this crate lie `end_to_end` (the tests that use it), `invariants` (what the manifests and
//! sources must keep to) and `golden` (figures of the reference implementations).
#![allow(clippy::unwrap_used, reason = "a sandbox fails by panicking, as tests do")]

pub mod faces;
mod look;
mod process;
mod sandbox;

pub use look::look;
pub use process::Process;
pub use sandbox::{Said, Sandbox, program, repository};

/// An address of loopback that nobody has yet, for programs that cannot tell which one they took.
pub fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// What a setting of the tests says: UTKFace's place, the tools that `make setup` installs.
pub fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests have no command line")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
