//! End-to-end tests of the whole system.
//!
//! Not built yet: this crate only holds its place in the workspace.
