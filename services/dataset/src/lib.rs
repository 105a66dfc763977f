//! Face photos with known ages, cleaned, split and packed so that training, calibration and
//! evaluation never see each other's faces.
//!
//! The way of an import ([`import`]):
//!
//! 1. [`source`] streams the files of a directory, zip or tar, one at a time;
//! 2. [`utkface`] reads the label from each file's name;
//! 3. [`clean`] decodes every image under limits, and quarantines what is faulty, duplicate or
//!    contradictory, each file with its reason;
//! 4. [`split`] deals the remaining faces into four parts;
//! 5. the import then packs their original bytes into tar shards, one part per shard;
//! 6. [`manifest`] lists every input file in one Parquet table;
//! 7. [`record`] makes the dataset visible under its name, as the last step.
//!
//! What is there is read through [`samples`] (rows and images) and [`statistics`] (counts).
//! Nothing here knows of gRPC: the transport converts to and from these types.

pub mod clean;
pub mod import;
pub mod label;
pub mod manifest;
pub mod record;
pub mod samples;
pub mod source;
pub mod split;
pub mod statistics;
pub mod utkface;
