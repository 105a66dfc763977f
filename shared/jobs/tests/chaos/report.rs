//! What came of it, as a table.

use std::collections::{BTreeMap, BTreeSet};

use agespan_jobs::JobState;

use crate::{
    checker::Violation,
    faults::Plan,
    history::{Event, History},
};

pub(crate) fn print(plan: &Plan, history: &History, violations: &BTreeSet<Violation>) {
    let count = |is_one: fn(&Event) -> bool| {
        history.values().flatten().filter(|record| is_one(&record.event)).count()
    };
    let broken = |is_one: fn(&Violation) -> bool| violations.iter().filter(|v| is_one(v)).count();
    let lease = plan.lease.as_secs_f64();
    println!("chaos with seed {}, leases of {lease} s, {} workers", plan.seed, plan.workers);
    let rows = [
        ("jobs acknowledged", jobs(history)),
        ("worker processes killed", plan.kills),
        ("worker processes stopped past their lease", plan.stops),
        ("Redis killed", plan.redis_kills),
        ("partitions", plan.partitions),
        ("attempts", count(|event| matches!(event, Event::Started { .. }))),
        ("checkpoints acknowledged", count(|event| matches!(event, Event::Saved { .. }))),
        ("writes of fenced attempts refused", count(|e| matches!(e, Event::Refused { .. }))),
        ("dead letters retried", count(|event| matches!(event, Event::Retried { .. }))),
        ("states seen", count(|event| matches!(event, Event::Seen(_)))),
        ("jobs lost", broken(|v| matches!(v, Violation::Lost { .. }))),
        ("duplicate effects", broken(|v| matches!(v, Violation::Duplicate { .. }))),
        ("illegal transitions", broken(|v| matches!(v, Violation::IllegalTransition { .. }))),
        (
            "other broken promises",
            broken(|v| {
                use Violation::{Duplicate, IllegalTransition, Lost};
                !matches!(v, Lost { .. } | Duplicate { .. } | IllegalTransition { .. })
            }),
        ),
    ];
    for (what, number) in rows {
        println!("{what:<52}{number:>8}");
    }
    let (all, undisturbed) = recoveries(history);
    for (what, mut times) in [("all", all), ("while Redis was there", undisturbed)] {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
            times[index] / lease
        };
        if !times.is_empty() {
            println!(
                "recovery in leases, {what:<24} n {:>5}  p50 {:.2}  p99 {:.2}  max {:.2}",
                times.len(),
                at(0.5),
                at(0.99),
                at(1.0),
            );
        }
    }
}

fn jobs(history: &History) -> usize {
    let jobs = history.values().flatten().filter_map(|record| match &record.event {
        Event::Submitted { job, .. } => Some(job),
        _ => None,
    });
    jobs.collect::<BTreeSet<_>>().len()
}

/// Seconds from the blow to a worker until another had begun each of its jobs: all, and those where
/// Redis was there in between.
fn recoveries(history: &History) -> (Vec<f64>, Vec<f64>) {
    let mut attempts: BTreeMap<&str, BTreeMap<u64, (u64, &str)>> = BTreeMap::new();
    let (mut struck, mut outages) = (BTreeMap::<&str, Vec<u64>>::new(), Vec::new());
    let mut ended = BTreeSet::new();
    for record in history.values().flatten() {
        match &record.event {
            Event::Started { job, fence, worker, .. } => {
                attempts.entry(job).or_default().insert(*fence, (record.at, worker));
            }
            Event::Struck { worker } => struck.entry(worker).or_default().push(record.at),
            Event::Outage { from } => outages.push((*from, record.at)),
            Event::Failed { job, fence } => drop(ended.insert((job.as_str(), *fence))),
            Event::Seen(seen) if seen.state() == JobState::Succeeded => {
                ended.insert((seen.job.as_str(), seen.fence));
            }
            _ => {}
        }
    }
    let (mut all, mut undisturbed) = (Vec::new(), Vec::new());
    for (job, attempts) in attempts {
        let in_order: Vec<_> = attempts.into_iter().collect();
        for pair in in_order.windows(2) {
            let ((fence, (from, worker)), (_, (to, _))) = (pair[0], pair[1]);
            let blow = struck.get(worker).into_iter().flatten();
            let Some(&blow) = blow.filter(|at| (from..to).contains(*at)).min() else {
                continue;
            };
            if ended.contains(&(job, fence)) {
                continue;
            }
            let seconds = (to - blow) as f64 / 1e6;
            all.push(seconds);
            if !outages.iter().any(|(down, up)| *down < to && *up > blow) {
                undisturbed.push(seconds);
            }
        }
    }
    (all, undisturbed)
}
