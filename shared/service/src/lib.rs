//! What every server process does, so that the services only do what is theirs.
//!
//! The major components are:
//!
//! * [`Config`]: the settings of a process, from flags and environment, read once.
//! * [`Platform`]: what a service is given: storage, job store, addresses of its peers, role.
//! * [`Component`]: what a service gives back: its routes, its readiness, its background work.
//! * [`Entrance`]: where requests come in: a listener, and calls of the process to itself.
//! * [`security`]: who may come in, and what is written down about it.
//! * [`serve`]: components behind an entrance, with health, reflection, job service and drain.
//! * [`run`]: a whole process: configuration, telemetry, signals, [`serve`].
//! * [`status`]: errors as `google.rpc.Status` with details.
//! * [`Checkpoints`]: those of a job, in the artifact store.
//! * [`page`]: page sizes and tokens.
//! * [`telemetry`]: logs, and traces when a collector is named.
//! * [`environment`]: of a process that runs models.

mod around;
mod checkpoints;
mod component;
mod config;
mod deadline;
mod entrance;
pub mod environment;
pub mod page;
mod platform;
mod process;
pub mod security;
mod serve;
pub mod status;
pub mod telemetry;
pub mod transport;

pub use checkpoints::Checkpoints;
pub use component::{Background, Component};
pub use config::{Config, LimitsConfig, ModelConfig, Peers, Role};
pub use entrance::{Entrance, EntranceError};
pub use platform::{Platform, PlatformError};
pub use process::{AnyError, main, run, until_signal};
pub use security::{AccessConfig, Allowance, Caller, SecurityConfig};
pub use serve::{ServeError, serve};
pub use tokio_util::sync::CancellationToken;

/// Photos, pixels and messages of all sizes come and go on all threads. glibc's heap gets holes by that
/// which it does not fill again: pushed past its limit, a server grew by four megabytes a minute. libtorch
/// goes on with glibc's, set as [`environment`] says.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
