//! One binary: the services in one process, and the command line client.
//!
//! Not built yet: this crate only holds its place in the workspace.
