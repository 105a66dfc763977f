//! How often progress is written.

use std::time::Duration;

use tokio::time::Instant;

use crate::Progress;

/// Five writes a second are more than a person reads.
const WRITE_EVERY: Duration = Duration::from_millis(200);

/// Remembers the newest progress and says when it should be written.
///
/// Nothing is lost by the limit: what was held back is taken by the next heartbeat, or when the
/// attempt ends.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    newest: Progress,
    is_unwritten: bool,
    last_write: Option<Instant>,
}

impl Pace {
    /// Notes progress. `done` never goes back.
    pub(crate) fn note(&mut self, done: u64, total: u64, message: &str) {
        let done = done.max(self.newest.done);
        let message = message.to_owned();
        let newest = Progress { done, total, message };
        self.is_unwritten |= newest != self.newest;
        self.newest = newest;
    }

    /// What to write now, if anything is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Progress> {
        let is_early = self.last_write.is_some_and(|last| now - last < WRITE_EVERY);
        if is_early { None } else { self.unwritten(now) }
    }

    /// What has not been written yet, due or not.
    pub(crate) fn unwritten(&mut self, now: Instant) -> Option<Progress> {
        if !self.is_unwritten {
            return None;
        }
        self.is_unwritten = false;
        self.last_write = Some(now);
        Some(self.newest.clone())
    }

    /// A write did not succeed: the newest progress is to be written again.
    pub(crate) fn not_written(&mut self) {
        self.is_unwritten = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_first_at_once_holds_back_the_rest_and_keeps_the_last() {
        let mut pace = Pace::default();
        let start = Instant::now();
        pace.note(1, 9, "a");
        assert_eq!(pace.due(start).map(|progress| progress.done), Some(1));
        for done in 2..=9 {
            pace.note(done, 9, "a");
            assert_eq!(pace.due(start + WRITE_EVERY / 2), None);
        }
        let last = pace.unwritten(start + WRITE_EVERY / 2);
        assert_eq!(last.map(|progress| progress.done), Some(9));
        assert_eq!(pace.unwritten(start + WRITE_EVERY), None);
    }

    #[test]
    fn never_goes_back_and_writes_again_after_a_failed_write() {
        let mut pace = Pace::default();
        let now = Instant::now();
        pace.note(5, 9, "a");
        pace.note(3, 9, "b");
        let progress = pace.unwritten(now).expect("something to write");
        assert_eq!((progress.done, progress.message.as_str()), (5, "b"));
        pace.not_written();
        assert_eq!(pace.unwritten(now), Some(progress));
    }
}
