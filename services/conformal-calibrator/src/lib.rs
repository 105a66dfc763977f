//! Fits, versions and publishes calibrations.
//!
//! Not built yet: this crate only holds its place in the workspace.
