//! Draws synthetic faces of asked-for attributes.
//!
//! Not built yet: this crate only holds its place in the workspace.
