//! Whether a history keeps the promises.

use std::collections::{BTreeMap, BTreeSet};

use agespan_jobs::JobState;

use crate::history::{End, Event, History, Place, Record, Seen};

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// An acknowledged job has not ended as it has to.
    Lost { job: String, found: Option<String> },
    /// A job went from one state to another that cannot follow.
    IllegalTransition { job: String, from: String, to: String },
    /// What was seen, or saved, is older than what had been before.
    WentBack { job: String, what: &'static str },
    /// Two attempts had one fencing token.
    SharedFence { job: String, fence: u64 },
    /// A write was acknowledged that began after a newer attempt had.
    StaleWrite { job: String, fence: u64 },
    /// A job has more than one result or effect, or one that nobody wrote.
    Duplicate { job: String, found: Vec<String> },
    /// One request made two jobs, or two requests one, or nobody asked for the job.
    Request { request: String, jobs: Vec<String> },
}

/// Everything about one job.
#[derive(Default)]
struct Story<'a> {
    requests: BTreeSet<&'a str>,
    end: Option<End>,
    started: BTreeMap<u64, Vec<(u64, Option<Place>)>>,
    saved: Vec<(u64, Place)>,
    effects: BTreeMap<u64, &'a str>,
    /// By observer: each has an order of its own.
    seen: BTreeMap<&'a str, Vec<&'a Seen>>,
    last: Option<&'a Seen>,
    retried: bool,
}

/// All promises that the history breaks, each once for every job.
pub(crate) fn check(history: &History) -> BTreeSet<Violation> {
    let stories = stories(history);
    let mut found = BTreeSet::new();
    check_requests(&stories, history, &mut found);
    for (job, story) in &stories {
        check_end(job, story, &mut found);
        check_seen(job, story, &mut found);
        check_fences(job, story, &mut found);
        check_effects(job, story, &mut found);
    }
    found
}

fn stories(history: &History) -> BTreeMap<&str, Story<'_>> {
    let mut stories: BTreeMap<&str, Story<'_>> = BTreeMap::new();
    for (observer, records) in history {
        let mut is_settled = false;
        for Record { at, event } in records {
            match event {
                Event::Submitted { request, job, end } => {
                    let story = stories.entry(job).or_default();
                    story.requests.insert(request);
                    story.end = Some(*end);
                }
                Event::Started { job, fence, checkpoint, .. } => {
                    let started = &mut stories.entry(job).or_default().started;
                    started.entry(*fence).or_default().push((*at, *checkpoint));
                }
                Event::Saved { job, place, begun } => {
                    stories.entry(job).or_default().saved.push((*begun, *place));
                }
                Event::Effect { job, fence, artifact } => {
                    stories.entry(job).or_default().effects.insert(*fence, artifact);
                }
                Event::Seen(seen) => {
                    let story = stories.entry(&seen.job).or_default();
                    story.seen.entry(observer).or_default().push(seen);
                    if is_settled {
                        story.last = Some(seen);
                    }
                }
                Event::Retried { job } => stories.entry(job).or_default().retried = true,
                Event::Settled => is_settled = true,
                Event::Refused { .. }
                | Event::Failed { .. }
                | Event::Struck { .. }
                | Event::Outage { .. } => {}
            }
        }
    }
    stories
}

/// Every accepted request is one job, and every job was asked for.
fn check_requests(
    stories: &BTreeMap<&str, Story<'_>>,
    history: &History,
    found: &mut BTreeSet<Violation>,
) {
    let mut jobs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in history.values().flatten() {
        if let Event::Submitted { request, job, .. } = &record.event {
            jobs.entry(request).or_default().insert(job);
        }
    }
    for (request, jobs) in jobs.iter().filter(|(_, jobs)| jobs.len() > 1) {
        let jobs = jobs.iter().map(|job| (*job).to_owned()).collect();
        found.insert(Violation::Request { request: (*request).to_owned(), jobs });
    }
    for (job, story) in stories.iter().filter(|(_, story)| story.requests.len() != 1) {
        let request = story.requests.iter().copied().collect::<Vec<_>>().join(", ");
        found.insert(Violation::Request { request, jobs: vec![(*job).to_owned()] });
    }
}

/// An acknowledged job is never lost.
fn check_end(job: &str, story: &Story<'_>, found: &mut BTreeSet<Violation>) {
    let state = story.last.map(|seen| seen.state());
    let is_well = match (story.end, state) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(End::Succeeds), Some(state)) => state == JobState::Succeeded,
        (Some(End::Fails), Some(state)) => state == JobState::Failed,
        (Some(End::Any), Some(state)) => state.is_terminal(),
    };
    if !is_well {
        let state = state.map(|state| state.as_str().to_owned());
        found.insert(Violation::Lost { job: job.to_owned(), found: state });
    }
}

/// Legal transitions only; nothing goes back.
fn check_seen(job: &str, story: &Story<'_>, found: &mut BTreeSet<Violation>) {
    for seen in story.seen.values() {
        for pair in seen.windows(2) {
            if pair[1].revision < pair[0].revision || pair[1].fence < pair[0].fence {
                found.insert(Violation::WentBack { job: job.to_owned(), what: "the job" });
            }
        }
    }
    // One order for all observers: the revision grows with every change.
    let mut all: Vec<&Seen> = story.seen.values().flatten().copied().collect();
    all.sort_by_key(|seen| seen.revision);
    for pair in all.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if !can_follow(from, to, story.retried) {
            found.insert(Violation::IllegalTransition {
                job: job.to_owned(),
                from: from.state.clone(),
                to: to.state.clone(),
            });
        }
        if from.fence == to.fence && to.done < from.done {
            found.insert(Violation::WentBack { job: job.to_owned(), what: "progress" });
        }
    }
}

/// Observers may miss states in between, so this is what can follow in some steps.
fn can_follow(from: &Seen, to: &Seen, retried: bool) -> bool {
    use JobState::{Cancelled, Failed, Queued, Running, Succeeded};
    if from.revision == to.revision {
        return from == to;
    }
    if to.fence < from.fence {
        return false;
    }
    let again = to.fence > from.fence;
    match (from.state(), to.state()) {
        (Queued, Running | Succeeded) => again,
        (Queued, Queued | Failed | Cancelled) | (Running, _) => true,
        // Only a failed job begins anew, and only because somebody asked for it.
        (Failed, Queued) => retried,
        (Failed, Running | Succeeded | Failed | Cancelled) => retried && again,
        (Succeeded | Cancelled, _) => false,
    }
}

/// A token belongs to one attempt, and what an older attempt writes is refused.
fn check_fences(job: &str, story: &Story<'_>, found: &mut BTreeSet<Violation>) {
    for (&fence, attempts) in &story.started {
        if attempts.len() > 1 {
            found.insert(Violation::SharedFence { job: job.to_owned(), fence });
        }
        for (at, checkpoint) in attempts {
            let older = || story.saved.iter().filter(|(_, place)| place.fence < fence);
            if let Some((_, place)) = older().find(|(begun, _)| begun > at) {
                found.insert(Violation::StaleWrite { job: job.to_owned(), fence: place.fence });
            }
            // What was acknowledged to an older attempt is what this one begins with, or later.
            if older().map(|(_, place)| *place).max() > *checkpoint {
                found.insert(Violation::WentBack { job: job.to_owned(), what: "the checkpoint" });
            }
        }
    }
}

/// One result and one effect for each job that succeeds.
fn check_effects(job: &str, story: &Story<'_>, found: &mut BTreeSet<Violation>) {
    let artifacts: BTreeSet<&str> = story.effects.values().copied().collect();
    let results = story.seen.values().flatten().filter_map(|seen| seen.result.as_deref());
    let results: BTreeSet<&str> = results.collect();
    // A result is of the attempt that has the newest token, and that one has written its effect.
    let is_written = |seen: &&Seen| match (&seen.result, story.effects.get(&seen.fence)) {
        (Some(result), Some(artifact)) => *result == result_of(artifact, seen.fence),
        (None, _) => seen.state() != JobState::Succeeded,
        (Some(_), None) => false,
    };
    let is_well = story.seen.values().flatten().all(is_written);
    if artifacts.len() > 1 || results.len() > 1 || !is_well {
        let found_all = artifacts.into_iter().chain(results).map(str::to_owned).collect();
        found.insert(Violation::Duplicate { job: job.to_owned(), found: found_all });
    }
}

/// What a job ends with: the artifact, and who made it.
pub(crate) fn result_of(artifact: &str, fence: u64) -> String {
    format!("{artifact}@{fence}")
}
