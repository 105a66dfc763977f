//! Face photos with known ages, cleaned, split and packed so that training, calibration and
//! evaluation never see each other's faces.
//!
//! The way of an import ([`import`]):
//!
//! 1. [`source`] of `agespan-imaging` streams the files of a directory, zip or tar, one at a time;
//! 2. [`layout`] reads labels from file names or tables, as each data set writes them;
//! 3. [`clean`] decodes every image under limits, and quarantines what is faulty, duplicate or
//!    contradictory, each file with its reason;
//! 4. [`cluster`] finds what belongs together, and [`split`] deals it into four parts;
//! 5. the import then packs their original bytes into tar shards, one part per shard;
//! 6. [`manifest`] lists every input file in one Parquet table;
//! 7. [`record`] makes the dataset visible under its name, as the last step.
//!
//! What is there is read through [`samples`] (rows and images), [`prepare`] (images of one size) and
//! [`statistics`] (counts).
//!
//! Around it:
//!
//! * [`worker`] runs imports as jobs;
//! * [`transport`] answers the RPCs. Nothing outside it knows of gRPC: it converts to and from the
//!   types of the others;
//! * [`assemble`] makes a component of it all, for this crate's binary or another host.

pub mod clean;
pub mod cluster;
mod columnar;
pub mod import;
pub mod label;
pub mod layout;
pub mod manifest;
pub mod prepare;
pub mod record;
pub mod samples;
pub mod split;
pub mod statistics;
pub mod transport;
pub mod worker;

pub use agespan_imaging::source;

use agespan_service::{Component, Platform};

/// The service on this platform, and its worker where this process has the role.
pub fn assemble(platform: &Platform) -> Component {
    let component = transport::component(platform.storage.clone(), platform.jobs.clone())
        .with_queues([worker::IMPORT_KIND]);
    if !platform.role.works() {
        return component;
    }
    let worker = worker::worker(platform.storage.clone(), platform.jobs.clone());
    component.with_worker(worker)
}
