//! What the README's code map promises, held against the manifests and the sources.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod licences;
mod programs;
mod sources;
mod workspace;
