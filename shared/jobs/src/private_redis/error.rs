//! Why a private Redis did not start, and what to do about it.

use std::{io, path::PathBuf};

use super::MIN_MAJOR_VERSION;

const INSTALL: &str = "install it (Debian and Ubuntu: `apt-get install redis-server`, macOS: \
                       `brew install redis`) or give the URL of a running Redis";

/// Why no private Redis could be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateRedisError {
    /// There is no such program.
    #[error("{program} was not found: {INSTALL}")]
    NotInstalled {
        /// What was looked for.
        program: PathBuf,
    },
    /// The program is too old, or something else.
    #[error("{program} says {found:?}, version {MIN_MAJOR_VERSION} or newer is needed: {INSTALL}")]
    TooOld {
        /// What was asked.
        program: PathBuf,
        /// What it answered.
        found: String,
    },
    /// Another process, or a server it has left behind, uses the directory.
    #[error("{dir} is in use by another Redis: stop that, or choose another directory")]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory or the program cannot be used.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// It started and does not serve.
    #[error("redis-server {problem}; the end of {log}:\n{tail}")]
    NotServing {
        /// What happened.
        problem: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
}
