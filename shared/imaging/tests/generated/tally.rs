//! What came of many cases.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Counts answers, and remembers the slowest.
#[derive(Default)]
pub(crate) struct Tally {
    answers: BTreeMap<String, usize>,
    slowest: (Duration, String),
}

impl Tally {
    /// Runs a case, whose answer is a reason, and counts it.
    pub(crate) fn run(&mut self, name: &str, case: impl FnOnce() -> String) {
        let begin = Instant::now();
        let answer = case();
        let took = begin.elapsed();
        assert!(!answer.is_empty(), "{name}");
        *self.answers.entry(answer).or_default() += 1;
        if took > self.slowest.0 {
            self.slowest = (took, name.to_owned());
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.answers.values().sum()
    }

    pub(crate) fn of(&self, answer: &str) -> usize {
        self.answers.get(answer).copied().unwrap_or_default()
    }

    pub(crate) fn print(&self, what: &str) {
        let (took, name) = &self.slowest;
        println!("{what}: {} cases, {:?}", self.count(), self.answers);
        println!("{what}: the slowest took {took:.1?}: {name}");
    }
}
