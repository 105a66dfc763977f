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
    let recoveries = recoveries(history);
    let undisturbed = recoveries.iter().filter(|recovery| recovery.away == 0);
    let counted: [(&str, Vec<u64>); 3] = [
        ("all", recoveries.iter().map(|recovery| recovery.took).collect()),
        ("all, Redis's absence off", recoveries.iter().map(Recovery::with_redis).collect()),
        ("while Redis was there", undisturbed.map(|recovery| recovery.took).collect()),
    ];
    for (what, mut times) in counted {
        times.sort();
        let at = |share: f64| {
            let index = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
            times[index] as f64 / 1e6 / lease
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

/// From the blow to a worker until another had begun one of its jobs, in microseconds.
struct Recovery {
    took: u64,
    /// For how much of it there was no Redis to ask.
    away: u64,
}

impl Recovery {
    fn with_redis(&self) -> u64 {
        self.took - self.away
    }
}

fn recoveries(history: &History) -> Vec<Recovery> {
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
    let mut recoveries = Vec::new();
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
            let away = outages.iter().map(|&(down, up)| up.min(to).saturating_sub(down.max(blow)));
            recoveries.push(Recovery { took: to - blow, away: away.sum() });
        }
    }
    recoveries
}
