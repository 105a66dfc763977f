//! Will draw synthetic faces of asked-for attributes.
//!
//! Its RPCs are agreed (`proto/agespan/generator/v1`) and answer UNIMPLEMENTED: the diffusion
//! networks are not built yet. [`transport`] is all there is.

pub mod transport;

use agespan_service::{Component, Platform};

/// The service on this platform.
pub fn assemble(_platform: &Platform) -> Component {
    transport::component()
}
