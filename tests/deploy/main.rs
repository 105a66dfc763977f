//! What lies in `deploy`, held to its formats and to the code, without a cluster and without Docker.
//!
//! * `tools`: the programs that `make setup` installs for this.
//! * `manifests`: the overlays as they would be applied.
//! * `formats`: schemas and linters.
//! * `settings`: variables, ports, probes, and how a pod ends.
//! * `network`: who may call whom, and who does.
//! * `queues`: what KEDA scales by, and what workers take their jobs from.
//! * `cluster`, `bucket`: pods as processes, with a Redis and an S3 server; `story`: what they do.
//! * `compose`: the file for one machine.
//! * `capacity`: the page about nodes and prices, and its simulation.
//! * `observability`: alerts, dashboard and collector, and the metrics that there are.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod bucket;
mod capacity;
mod cluster;
mod compose;
mod formats;
mod manifests;
mod network;
mod observability;
mod queues;
mod settings;
mod story;
mod tools;
