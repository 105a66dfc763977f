//! What is written down: threshold decisions, administrative calls, and who was refused. Each is an
//! event of tracing with the target `agespan::audit`, and with `--audit-log` a line of JSON in a
//! file. A photo is in none of them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use http::Extensions;
use serde::Serialize;

use super::Caller;
use super::quota::{Buckets, Quota};

/// Refusals cost whoever is refused nothing: they must not fill a disk.
const REFUSALS: Quota = Quota { per_second: 10.0, burst: 100 };

/// Where it is written down, in the extensions of every request that is let in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    file: Option<PathBuf>,
    refusals: Buckets,
}

/// The audit log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot append to the audit log {}", file.display())]
pub struct AuditError {
    file: PathBuf,
    source: io::Error,
}

/// A threshold decision.
#[derive(Clone, Debug, Serialize)]
pub struct Decision<'a> {
    /// Who estimated, models/ID.
    pub model: &'a str,
    /// What certified it, calibrations/ID.
    pub calibration: &'a str,
    /// The age that was asked about, in years.
    pub at_least: u32,
    /// Greatest share of younger people who may pass.
    pub false_pass_rate: f64,
    /// PASS, FAIL or CHALLENGE.
    pub outcome: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Decision(&'a Decision<'a>),
    Administration { method: &'a str, resource: &'a str, status: &'a str },
    Refusal { method: &'a str, status: &'a str },
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    caller: &'a str,
    #[serde(flatten)]
    event: Event<'a>,
}

/// Writes a decision down. `extensions` are those of its request.
pub fn decision(extensions: &Extensions, decision: &Decision<'_>) {
    let caller = Caller::of(extensions).to_string();
    let Decision { model, calibration, at_least, false_pass_rate, outcome } = decision;
    tracing::info!(
        target: "agespan::audit",
        caller, model, calibration, at_least, false_pass_rate, outcome, "decision"
    );
    if let Some(audit) = extensions.get::<Audit>() {
        audit.append(&caller, Event::Decision(decision));
    }
}

impl Audit {
    /// With a file that can be appended to.
    pub(crate) fn open(file: Option<PathBuf>) -> Result<Self, AuditError> {
        let audit = Self(Arc::new(Inner { file, refusals: Buckets::default() }));
        audit.write(b"")?;
        Ok(audit)
    }

    pub(super) fn administration(
        &self,
        caller: &Caller,
        method: &str,
        resource: &str,
        status: &str,
    ) {
        let caller = caller.to_string();
        tracing::info!(target: "agespan::audit", caller, method, resource, status, "administration");
        self.append(&caller, Event::Administration { method, resource, status });
    }

    pub(super) fn refusal(&self, caller: &Caller, method: &str, status: &str) {
        if self.0.refusals.take("", REFUSALS, Instant::now()).is_err() {
            return;
        }
        let caller = caller.to_string();
        tracing::info!(target: "agespan::audit", caller, method, status, "refusal");
        self.append(&caller, Event::Refusal { method, status });
    }

    fn append(&self, caller: &str, event: Event<'_>) {
        let line = Line { time: jiff::Timestamp::now().to_string(), caller, event };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.write(&line).map_err(|error| error.source)
        });
        if let Err(error) = written {
            tracing::error!(%error, "the audit log could not be written");
        }
    }

    /// Opened for every line, so that a file that was moved away is begun anew; lines are few. One
    /// write a line: those of several threads and processes do not mix.
    fn write(&self, line: &[u8]) -> Result<(), AuditError> {
        let Some(file) = &self.0.file else { return Ok(()) };
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(file);
        opened
            .and_then(|mut opened| opened.write_all(line))
            .map_err(|source| AuditError { file: file.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn lines_are_appended_for_their_owner_alone_and_refusals_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        let audit = Audit::open(Some(file.clone())).unwrap();
        let shop = Caller::Token("shop".into());
        audit.administration(&shop, "/agespan.job.v1.JobService/CancelJob", "jobs/\n1", "OK");
        for _ in 0..1000 {
            audit.refusal(&Caller::Unknown, "/a/B", "UNAUTHENTICATED");
        }
        let mut extensions = Extensions::new();
        extensions.insert(audit);
        extensions.insert(shop);
        let made = Decision {
            model: "models/a",
            calibration: "calibrations/b",
            at_least: 18,
            false_pass_rate: 0.01,
            outcome: "PASS",
        };
        decision(&extensions, &made);

        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!((102..=112).contains(&lines.len()), "{}", lines.len());
        assert_eq!(lines[0]["resource"], "jobs/\n1");
        let mut last = lines[lines.len() - 1].clone();
        let time = last.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        assert_eq!(
            last,
            json!({"event": "decision", "caller": "token:shop", "model": "models/a",
                "calibration": "calibrations/b", "at_least": 18, "false_pass_rate": 0.01,
                "outcome": "PASS"})
        );
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().unwrap());
        assert_eq!(mode & 0o777, 0o600);
        assert!(Audit::open(Some(dir.path().to_owned())).is_err());
    }
}
