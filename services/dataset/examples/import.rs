//! Imports a directory, zip or tar of UTKFace into a storage and prints what came of it:
//!
//! `cargo run --release -p agespan-dataset --example import -- utkface.zip target/data utkface`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

use std::path::Path;

use agespan_dataset::import::{ImportOptions, Watch, import};
use agespan_storage::Storage;
use anyhow::{Context, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, storage, name] = arguments.as_slice() else {
        anyhow::bail!("usage: import SOURCE STORAGE NAME");
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let mut progress = |done: u64, total: Option<u64>, step: &str| {
        if done.is_multiple_of(1000) {
            eprintln!("{step}: {done} of {}", total.map_or("?".into(), |t| t.to_string()));
        }
    };
    let record = import(
        Path::new(source),
        name,
        &ImportOptions::default(),
        &Storage::open(storage)?,
        runtime.handle(),
        Watch { progress: &mut progress, cancelled: &|| false },
    )?;
    println!("{record:#?}");
    Ok(())
}
