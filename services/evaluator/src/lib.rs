//! Measures the other services through their public RPCs.
//!
//! Not built yet: this crate only holds its place in the workspace.
