//! Photos in, calibrated age intervals out; trains its own models.
//!
//! The major components are:
//!
//! * [`training`]: labelled faces to weights.
//!
//! The server, the batcher and the RPCs are not built yet.

pub mod training;
