//! The generated code of `proto/`, and nothing else. The comments to read are in the proto files.
#![allow(missing_docs, clippy::all, reason = "generated code")]

mod generated {
    include!(concat!(env!("OUT_DIR"), "/agespan.rs"));
}

pub use generated::agespan::*;
pub use generated::inference;

/// The descriptor set of all packages, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
