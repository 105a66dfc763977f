//! Tokens of callers.

use std::path::PathBuf;

use agespan_service::security::tokens::Permission;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum Token {
    /// Make a token, and its entry for the tokens file of servers. Nothing is contacted.
    New(NewToken),
}

#[derive(Args)]
pub(crate) struct NewToken {
    /// The caller's name, as logs call it.
    pub(crate) name: String,
    /// What the caller may do.
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    pub(crate) permissions: Vec<Permission>,
    /// Requests a second in the long run [default: as many as they like].
    #[arg(long, value_name = "RATE")]
    pub(crate) per_second: Option<f64>,
    /// Requests that may come at once after a pause [default: as many as in a second].
    #[arg(long, requires = "per_second", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) burst: Option<u32>,
    /// Append the entry to this file, and print the token alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) append: Option<PathBuf>,
}
