//! `agespan token`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use agespan_service::security::tokens::{Quota, issue};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::arguments::{NewToken, Token};

pub(crate) fn run(command: &Token, json: bool) -> Result<()> {
    let Token::New(asked) = command;
    let (token, entry) = issue(&asked.name, &asked.permissions, quota(asked)?)?;
    let token = token.expose();
    if let Some(file) = &asked.append {
        append(file, &entry).with_context(|| format!("cannot append to {}", file.display()))?;
    }
    match (json, &asked.append) {
        (true, _) => println!("{}", json!({"name": asked.name, "token": token, "entry": entry})),
        (false, Some(_)) => println!("{token}"),
        (false, None) => println!(
            "The token, which is kept nowhere; give it to {} alone:\n\n{token}\n\n\
             Its entry for the file that servers are given with --tokens:\n\n{entry}",
            asked.name
        ),
    }
    Ok(())
}

fn quota(asked: &NewToken) -> Result<Option<Quota>> {
    let Some(per_second) = asked.per_second else { return Ok(None) };
    ensure!(per_second.is_finite() && per_second > 0.0, "--per-second should be above 0");
    let burst = asked.burst.unwrap_or(per_second.ceil().min(f64::from(u32::MAX)) as u32);
    Ok(Some(Quota { per_second, burst }))
}

fn append(file: &Path, entry: &str) -> std::io::Result<()> {
    let mut opened = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    // In one write: a server may be reading.
    opened.write_all(format!("\n{entry}").as_bytes())
}
