//! Photos in, calibrated age intervals out; trains its own models.
//!
//! Not built yet: this crate only holds its place in the workspace.
