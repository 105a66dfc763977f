//! The checker finds each broken promise, and none where all are kept.

use std::collections::BTreeSet;

use crate::{
    checker::{Violation, check, result_of},
    history::{End, Event, History, Place, Record, Seen},
};

fn job() -> String {
    "j".to_owned()
}

fn seen(state: &str, revision: u64, fence: u64, done: u64) -> Event {
    let result = (state == "SUCCEEDED").then(|| result_of("a", fence));
    Event::Seen(Seen { job: job(), state: state.to_owned(), revision, fence, done, result })
}

fn started(fence: u64, checkpoint: Option<Place>) -> Event {
    Event::Started { job: job(), fence, worker: format!("w{fence}"), checkpoint }
}

fn submitted(request: &str, job: &str) -> Event {
    Event::Submitted { request: request.to_owned(), job: job.to_owned(), end: End::Succeeds }
}

const FIRST: Place = Place { fence: 1, step: 1 };

/// Where things stand in [`kept`]'s two files.
const STARTED_AGAIN: usize = 2;
const EFFECT: usize = 4;
const SEEN_RUNNING: usize = 2;
const SEEN_LAST: usize = 6;

/// A worker is struck after its first checkpoint; the next one ends the job.
fn kept() -> History {
    let workers = vec![
        started(1, None),
        Event::Saved { job: job(), place: FIRST, begun: 10 },
        started(2, Some(FIRST)),
        Event::Refused { job: job(), fence: 1 },
        Event::Effect { job: job(), fence: 2, artifact: "a".to_owned() },
    ];
    let watcher = vec![
        submitted("r", "j"),
        seen("QUEUED", 1, 0, 0),
        seen("RUNNING", 3, 1, 5),
        seen("RUNNING", 5, 2, 2),
        seen("SUCCEEDED", 7, 2, 9),
        Event::Settled,
        seen("SUCCEEDED", 7, 2, 9),
    ];
    let with_times = |events: Vec<Event>| {
        let times = (1..).map(|number| number * 10);
        events.into_iter().zip(times).map(|(event, at)| Record { at, event }).collect()
    };
    let files = [("workers", with_times(workers)), ("watcher", with_times(watcher))];
    files.map(|(name, records)| (name.to_owned(), records)).into()
}

/// What is found after one event was replaced, or left out.
fn found(file: &str, at: usize, event: Option<Event>) -> Vec<Violation> {
    let mut history = kept();
    let records = history.get_mut(file).expect("a file");
    match event {
        Some(event) => records[at].event = event,
        None => drop(records.remove(at)),
    }
    check(&history).into_iter().collect()
}

/// What is found after one event was added.
fn added(file: &str, at: u64, event: Event) -> Vec<Violation> {
    let mut history = kept();
    history.entry(file.to_owned()).or_default().push(Record { at, event });
    check(&history).into_iter().collect()
}

#[test]
fn a_kept_history_is_well() {
    assert_eq!(check(&kept()), BTreeSet::new());
}

#[test]
fn a_lost_job_is_found() {
    let lost =
        |state: Option<&str>| vec![Violation::Lost { job: job(), found: state.map(str::to_owned) }];
    assert_eq!(found("watcher", SEEN_LAST, None), lost(None));
    let unfinished = added("watcher", 90, seen("CANCELLED", 8, 2, 9));
    assert!(unfinished.contains(&lost(Some("CANCELLED"))[0]), "{unfinished:?}");
}

#[test]
fn an_illegal_transition_is_found() {
    let back = added("other", 90, seen("QUEUED", 8, 2, 9));
    let illegal = |from: &str, to: &str| Violation::IllegalTransition {
        job: job(),
        from: from.to_owned(),
        to: to.to_owned(),
    };
    assert_eq!(back, [illegal("SUCCEEDED", "QUEUED")]);
    // Running without a new token.
    let unclaimed = found("watcher", SEEN_RUNNING, Some(seen("RUNNING", 3, 0, 0)));
    assert_eq!(unclaimed, [illegal("QUEUED", "RUNNING")]);
    // Nobody asked for a retry.
    let failed = found("watcher", SEEN_RUNNING, Some(seen("FAILED", 3, 1, 0)));
    assert_eq!(failed, [illegal("FAILED", "RUNNING")]);
}

#[test]
fn what_goes_back_is_found() {
    let back = |what| [Violation::WentBack { job: job(), what }];
    let older = added("watcher", 90, seen("RUNNING", 3, 1, 5));
    assert!(older.contains(&back("the job")[0]), "{older:?}");
    assert_eq!(added("other", 90, seen("RUNNING", 6, 2, 1)), back("progress"));
    assert_eq!(found("workers", STARTED_AGAIN, Some(started(2, None))), back("the checkpoint"));
}

#[test]
fn a_stale_write_is_found() {
    // The second attempt began at 30.
    let late = Event::Saved { job: job(), place: FIRST, begun: 31 };
    assert_eq!(added("workers", 60, late), [Violation::StaleWrite { job: job(), fence: 1 }]);
}

#[test]
fn a_shared_token_is_found() {
    let twice = added("workers", 60, started(2, Some(FIRST)));
    assert_eq!(twice, [Violation::SharedFence { job: job(), fence: 2 }]);
}

#[test]
fn a_second_effect_or_result_is_found() {
    let is_duplicate = |found: &[Violation]| matches!(found, [Violation::Duplicate { .. }]);
    let other = Event::Effect { job: job(), fence: 1, artifact: "b".to_owned() };
    assert!(is_duplicate(&added("workers", 60, other)));
    assert!(is_duplicate(&found("workers", EFFECT, None)), "a result that nobody wrote");
    let Event::Seen(seen) = seen("SUCCEEDED", 7, 2, 9) else { unreachable!() };
    let stale = Event::Seen(Seen { result: Some(result_of("a", 1)), ..seen });
    let found = found("watcher", SEEN_LAST, Some(stale));
    assert!(found.iter().any(|found| matches!(found, Violation::Duplicate { .. })), "{found:?}");
}

#[test]
fn a_request_with_two_jobs_is_found() {
    let found = added("watcher", 90, submitted("r", "k"));
    let both = Violation::Request { request: "r".to_owned(), jobs: vec![job(), "k".to_owned()] };
    assert!(found.contains(&both), "{found:?}");
    let unasked = added("watcher", 90, submitted("s", "j"));
    assert_eq!(unasked, [Violation::Request { request: "r, s".to_owned(), jobs: vec![job()] }]);
}
