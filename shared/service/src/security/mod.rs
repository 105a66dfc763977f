//! Who may come in, and what is written down about it. `SECURITY.md` beside this crate is the threat
//! model.
//!
//! * [`SecurityConfig`]: what a server demands; it refuses to be open where others can reach it.
//! * [`AccessConfig`]: what a client goes to servers with.
//! * `tls`: certificates, read again when their files change.
//! * [`tokens`]: callers by token, each with permissions and a quota.
//! * [`permissions`]: what each RPC asks for.
//! * [`Caller`]: who asks, for whoever answers; [`Allowance`]: how much more they may.
//! * `layer`: all of that before every request; [`text_at`]: what a request names, as it passes.
//! * [`audit`]: threshold decisions and administrative calls, written down.

pub mod audit;
mod caller;
mod config;
mod gate;
mod layer;
mod peek;
pub mod permissions;
mod quota;
pub(crate) mod tls;
pub mod tokens;

pub use caller::Caller;
pub(crate) use caller::{Origin, name as caller_name};
pub use config::{AccessConfig, Exposed, SecurityConfig};
pub(crate) use gate::Gate;
pub use gate::GateError;
pub(crate) use layer::Gated;
pub use peek::text_at;
pub use quota::Allowance;
