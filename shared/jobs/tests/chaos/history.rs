//! What happened, as each process wrote it down.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, read_dir, read_to_string},
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use agespan_jobs::{Job, JobState};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A submission was acknowledged.
    Submitted { request: String, job: String, end: End },
    /// A handler began.
    Started { job: String, fence: u64, worker: String, checkpoint: Option<Place> },
    /// A checkpoint was acknowledged that was sent off at `begun`.
    Saved { job: String, place: Place, begun: u64 },
    /// A write was refused because the attempt had been fenced off.
    Refused { job: String, fence: u64 },
    /// The work's effect was written outside.
    Effect { job: String, fence: u64, artifact: String },
    /// A handler gave up by itself.
    Failed { job: String, fence: u64 },
    /// A watcher saw the job.
    Seen(Seen),
    /// A failed job was queued again.
    Retried { job: String },
    /// A worker process was killed, or stopped for longer than a lease.
    Struck { worker: String },
    /// Redis was away from `from` until now.
    Outage { from: u64 },
    /// Everything is over: what is seen from here on is final.
    Settled,
}

/// How a job has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Succeeds,
    Fails,
    /// It was cancelled while it might have been running.
    Any,
}

/// Where an attempt has come to. A later attempt's place is always further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) fence: u64,
    pub(crate) step: u64,
}

/// A job as a watcher saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) job: String,
    pub(crate) state: String,
    pub(crate) revision: u64,
    pub(crate) fence: u64,
    pub(crate) done: u64,
    pub(crate) result: Option<String>,
}

impl Seen {
    pub(crate) fn of(job: &Job) -> Self {
        Self {
            job: job.id.clone(),
            state: job.state.as_str().to_owned(),
            revision: job.revision,
            fence: job.fence,
            done: job.progress.done,
            result: job.result.clone(),
        }
    }

    pub(crate) fn state(&self) -> JobState {
        self.state.parse().expect("a state's name")
    }
}

/// An event and when it was written down, in microseconds. All processes are on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) at: u64,
    pub(crate) event: Event,
}

/// What one observer wrote down, in its order, by observer.
pub(crate) type History = BTreeMap<String, Vec<Record>>;

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("before the year 500,000")
}

/// One observer's file. A line is one write, so that SIGKILL leaves whole lines.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    file: Arc<Mutex<File>>,
}

impl Log {
    pub(crate) fn open(dir: &Path, observer: &str) -> Self {
        let path = dir.join(format!("{observer}.history"));
        let file = OpenOptions::new().create(true).append(true).open(path).expect("opens");
        Self { file: Arc::new(Mutex::new(file)) }
    }

    pub(crate) fn write(&self, event: Event) {
        let mut file = self.file.lock().expect("no panic");
        let record = Record { at: now(), event };
        let mut line = serde_json::to_vec(&record).expect("is JSON");
        line.push(b'\n');
        file.write_all(&line).expect("writes");
    }
}

/// Reads what all observers wrote down.
pub(crate) fn read(dir: &Path) -> History {
    let mut history = History::new();
    for entry in read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "history") {
            continue;
        }
        let text = read_to_string(&path).expect("reads");
        // A killed process may have left its last line half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let records = whole.lines().map(|line| serde_json::from_str(line).expect("a record"));
        let name = path.file_stem().expect("has a name").to_string_lossy().into_owned();
        history.insert(name, records.collect());
    }
    history
}
